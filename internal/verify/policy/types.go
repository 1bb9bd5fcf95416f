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
)

// document is a ClusterImagePolicy as users write it. The types are our own
// because Sigstore's bring four cloud SDKs along; the field names are public
// API and therefore theirs. Status and metadata are of no interest.
type document struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
	Spec       spec           `json:"spec"`
	Status     map[string]any `json:"status"`
}

type spec struct {
	Images      []image         `json:"images"`
	Authorities []authority     `json:"authorities"`
	Policy      *map[string]any `json:"policy"`
	Mode        string          `json:"mode"`
	Match       []match         `json:"match"`
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

// authority holds what is supported; the rest is kept only to say its name.
type authority struct {
	Name            string           `json:"name"`
	Key             *keyRef          `json:"key"`
	Keyless         *keyless         `json:"keyless"`
	Static          *static          `json:"static"`
	Source          []map[string]any `json:"source"`
	CTLog           *ctlog           `json:"ctlog"`
	Attestations    []map[string]any `json:"attestations"`
	RFC3161         *map[string]any  `json:"rfc3161timestamp"`
	SignatureFormat string           `json:"signatureFormat"`
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

type ctlog struct {
	URL          string `json:"url"`
	TrustRootRef string `json:"trustRootRef"`
}

type keyless struct {
	URL               string          `json:"url"`
	Identities        []identity      `json:"identities"`
	CACert            *map[string]any `json:"ca-cert"`
	TrustRootRef      string          `json:"trustRootRef"`
	InsecureIgnoreSCT bool            `json:"insecureIgnoreSCT"`
}

type identity struct {
	Issuer        string `json:"issuer"`
	Subject       string `json:"subject"`
	IssuerRegExp  string `json:"issuerRegExp"`
	SubjectRegExp string `json:"subjectRegExp"`
}
