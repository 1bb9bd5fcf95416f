package harness

import (
	"context"
	"crypto/x509"
	"encoding/base64"

	"github.com/sigstore/sigstore-go/pkg/root"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Admitted is the label of a namespace whose pods the Policy Controller checks.
const Admitted = "policy.sigstore.dev/include"

// TrustRoot makes a TrustRoot that trusts the lab's Fulcio and timestamps. Its
// Rekor is left out: the Policy Controller refuses a log whose key is not ECDSA,
// and cannot read a Rekor of version 2.
func (l *Lab) TrustRoot(ctx context.Context, name string) error {
	trusted, err := l.Sigstore.trusted()
	if err != nil {
		return err
	}
	var authorities, stamps []any
	for _, a := range trusted.FulcioCertificateAuthorities() {
		if c, ok := a.(*root.FulcioCertificateAuthority); ok {
			authorities = append(authorities, authority(c.URI, append(c.Intermediates, c.Root)))
		}
	}
	for _, a := range trusted.TimestampingAuthorities() {
		if c, ok := a.(*root.SigstoreTimestampingAuthority); ok {
			stamps = append(stamps, authority(c.URI, append(append([]*x509.Certificate{c.Leaf}, c.Intermediates...), c.Root)))
		}
	}
	return l.sigstore(ctx, "v1alpha1", "TrustRoot", name, map[string]any{"sigstoreKeys": map[string]any{
		"certificateAuthorities": authorities, "timestampAuthorities": stamps,
	}})
}

func authority(url string, chain []*x509.Certificate) map[string]any {
	top := chain[len(chain)-1].Subject
	return map[string]any{
		"uri": url, "certChain": base64.StdEncoding.EncodeToString(encoded(chain...)),
		"subject": map[string]any{"organization": top.Organization[0], "commonName": top.CommonName},
	}
}

// KeylessPolicy lets images run that somebody signed without a key. With a
// TrustRoot its timestamp authority knows when; without one the controller's
// own root of trust counts, and Rekor has to know the signature.
func (l *Lab) KeylessPolicy(ctx context.Context, name, glob, trustRoot, email string) error {
	keyless := map[string]any{
		"insecureIgnoreSCT": true, "identities": []any{map[string]any{"issuer": l.Sigstore.Issuer, "subject": email}},
	}
	authority := map[string]any{"name": "keyless", "keyless": keyless}
	if trustRoot != "" {
		keyless["url"], keyless["trustRootRef"] = l.Sigstore.Fulcio, trustRoot
		authority["rfc3161timestamp"] = map[string]any{"trustRootRef": trustRoot}
	}
	return l.sigstore(ctx, "v1beta1", "ClusterImagePolicy", name, map[string]any{
		"images": []any{map[string]any{"glob": glob}}, "authorities": []any{authority},
	})
}

// sigstore applies an object of Sigstore's kinds, which are the whole cluster's.
func (l *Lab) sigstore(ctx context.Context, version, kind, name string, spec map[string]any) error {
	o := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "policy.sigstore.dev/" + version, "kind": kind, "metadata": map[string]any{"name": name}, "spec": spec,
	}}
	return l.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("lab"), client.ForceOwnership)
}
