// Package policy compiles ClusterImagePolicy objects, in Sigstore's own
// language, into an immutable set that says which signatures an image needs.
package policy

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Group of the policies, and the versions that are read; both have one schema.
const (
	Group    = "policy.sigstore.dev"
	v1alpha1 = "v1alpha1"
	v1beta1  = "v1beta1"
	kind     = "ClusterImagePolicy"
	rootKind = "TrustRoot"
)

// document is a ClusterImagePolicy or a TrustRoot as users write it. The types
// are our own because Sigstore's bring four cloud SDKs along; the field names
// are public API and therefore theirs. Status and metadata are of no interest.
type document[Spec any] struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
	Spec       Spec           `json:"spec"`
	Status     map[string]any `json:"status"`
}

type spec struct {
	Images      []image     `json:"images"`
	Authorities []authority `json:"authorities"`
	Policy      *rule       `json:"policy"`
	Mode        string      `json:"mode"`
	Match       []match     `json:"match"`
}

type image struct {
	Glob string `json:"glob"`
}

type match struct {
	Group    string                `json:"group"`
	Version  string                `json:"version"`
	Resource string                `json:"resource"`
	Selector *metav1.LabelSelector `json:"selector"`
}

// authority holds all fields of the language; which of them cannot be used is
// said when it is compiled.
type authority struct {
	Name            string        `json:"name"`
	Key             *keyRef       `json:"key"`
	Keyless         *keyless      `json:"keyless"`
	Static          *static       `json:"static"`
	Source          []source      `json:"source"`
	CTLog           *ctlog        `json:"ctlog"`
	Attestations    []attestation `json:"attestations"`
	RFC3161         *rootRef      `json:"rfc3161timestamp"`
	SignatureFormat string        `json:"signatureFormat"`
}

type keyRef struct {
	SecretRef     *secretRef `json:"secretRef"`
	Data          string     `json:"data"`
	KMS           string     `json:"kms"`
	HashAlgorithm string     `json:"hashAlgorithm"`
}

type secretRef struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

type static struct {
	Action  string `json:"action"`
	Message string `json:"message"`
}

type source struct {
	OCI                  string    `json:"oci"`
	SignaturePullSecrets []nameRef `json:"signaturePullSecrets"`
	TagPrefix            string    `json:"tagPrefix"`
}

type nameRef struct {
	Name string `json:"name"`
}

type rootRef struct {
	TrustRootRef string `json:"trustRootRef"`
}

type ctlog struct {
	URL          string `json:"url"`
	TrustRootRef string `json:"trustRootRef"`
}

type keyless struct {
	URL               string     `json:"url"`
	Identities        []identity `json:"identities"`
	CACert            *keyRef    `json:"ca-cert"`
	TrustRootRef      string     `json:"trustRootRef"`
	InsecureIgnoreSCT bool       `json:"insecureIgnoreSCT"`
}

type identity struct {
	Issuer        string `json:"issuer"`
	Subject       string `json:"subject"`
	IssuerRegExp  string `json:"issuerRegExp"`
	SubjectRegExp string `json:"subjectRegExp"`
}

type attestation struct {
	Name          string `json:"name"`
	PredicateType string `json:"predicateType"`
	Policy        *rule  `json:"policy"`
}

type rule struct {
	Type              string          `json:"type"`
	Data              string          `json:"data"`
	Remote            *map[string]any `json:"remote"`
	ConfigMapRef      *configMapRef   `json:"configMapRef"`
	FetchConfigFile   bool            `json:"fetchConfigFile"`
	IncludeSpec       bool            `json:"includeSpec"`
	IncludeObjectMeta bool            `json:"includeObjectMeta"`
	IncludeTypeMeta   bool            `json:"includeTypeMeta"`
}

type configMapRef struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	Key       string `json:"key"`
}

type rootSpec struct {
	Remote       *RootRemote     `json:"remote"`
	Repository   *RootRepository `json:"repository"`
	SigstoreKeys *RootKeys       `json:"sigstoreKeys"`
}
