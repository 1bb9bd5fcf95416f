package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/sigstore/policy-controller/pkg/apis/config"
	"github.com/sigstore/policy-controller/pkg/apis/policy/v1alpha1"
	"github.com/sigstore/policy-controller/pkg/policy"
	"sigs.k8s.io/yaml"
)

// peer asks Policy Controller's own evaluation, as its admission webhook does.
type peer struct{ roots *config.SigstoreKeysMap }

func newPeer(ctx context.Context, trustRoot map[string]any) (*peer, error) {
	data, err := json.Marshal(trustRoot)
	if err != nil {
		return nil, err
	}
	object := &v1alpha1.TrustRoot{}
	if err := json.Unmarshal(data, object); err != nil {
		return nil, fmt.Errorf("read TrustRoot: %w", err)
	}
	keys, err := config.ConvertSigstoreKeys(ctx, object.Spec.SigstoreKeys)
	if err != nil {
		return nil, fmt.Errorf("convert TrustRoot: %w", err)
	}
	return &peer{roots: &config.SigstoreKeysMap{SigstoreKeys: map[string]*config.SigstoreKeys{object.Name: keys}}}, nil
}

// judge returns nil if the image may run.
func (p *peer) judge(ctx context.Context, image string, policies []map[string]any) error {
	var documents string
	for _, one := range policies {
		text, err := yaml.Marshal(one)
		if err != nil {
			return err
		}
		documents += "---\n" + string(text)
	}
	if len(policies) == 0 {
		return errors.New("no policy names it")
	}
	ref, err := name.NewDigest(image)
	if err != nil {
		return err
	}
	sources := []policy.Source{{Data: documents}}
	verifier, err := policy.Compile(ctx, policy.Verification{NoMatchPolicy: "deny", Policies: &sources}, func(string, ...any) {})
	if err != nil {
		return fmt.Errorf("compile policies: %w", err)
	}
	settings := config.FromContextOrDefaults(ctx)
	settings.SigstoreKeysConfig = p.roots
	return verifier.Verify(config.ToContext(ctx, settings), ref, authn.DefaultKeychain)
}
