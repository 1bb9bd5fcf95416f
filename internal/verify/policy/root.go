package policy

// Root is a root of trust. Exactly one of TrustedRoot, Keys, Repository, Remote
// and Public is set.
type Root struct {
	// Name of the TrustRoot object; empty if the controller brought the root.
	Name string
	// Hash of the content, "sha256:" and 64 hexadecimal digits.
	Hash string
	// TrustedRoot is a trusted_root.json.
	TrustedRoot []byte
	// Keys are given one by one.
	Keys *RootKeys
	// Repository is a copy of a TUF repository, for places without network.
	Repository *RootRepository
	// Remote is a TUF repository that is asked now and then.
	Remote *RootRemote
	// Public is Sigstore's own TUF repository.
	Public bool
}

// TrustedRoot is a root that was read from a trusted_root.json.
func TrustedRoot(text []byte) *Root { return &Root{Hash: hash(text), TrustedRoot: text} }

// RootKeys is a root of trust given one by one. It and the types below are
// also how users write them in a TrustRoot, where bytes are base64.
type RootKeys struct {
	// Authorities issue certificates, Stamps issue timestamps.
	Authorities []RootAuthority `json:"certificateAuthorities"`
	Stamps      []RootAuthority `json:"timestampAuthorities"`
	// Logs record signatures, CertificateLogs certificates.
	Logs            []RootLog `json:"tLogs"`
	CertificateLogs []RootLog `json:"ctLogs"`
}

// RootAuthority is a chain of certificates.
type RootAuthority struct {
	// Subject says whose it is, to people; nothing is compared with it.
	Subject map[string]string `json:"subject"`
	URI     string            `json:"uri"`
	// Chain in PEM form, issuing certificate first and root last.
	Chain []byte `json:"certChain"`
}

// RootLog is a log and its key.
type RootLog struct {
	BaseURL string `json:"baseURL"`
	// HashAlgorithm is "sha-256".
	HashAlgorithm string `json:"hashAlgorithm"`
	// PublicKey in PEM form.
	PublicKey []byte `json:"publicKey"`
}

// RootRepository is a TUF repository as a file.
type RootRepository struct {
	// Root is the first root.json that is trusted.
	Root []byte `json:"root"`
	// Mirror is the repository as gzipped tar.
	Mirror []byte `json:"mirrorFS"`
	// Targets is the folder of the targets, such as "targets".
	Targets string `json:"targets"`
	// Target holds the trusted root, such as "trusted_root.json".
	Target string `json:"trustedRootTarget"`
}

// RootRemote is a TUF repository on a server.
type RootRemote struct {
	// Root is the first root.json that is trusted.
	Root []byte `json:"root"`
	// Mirror is the URL of the repository.
	Mirror string `json:"mirror"`
	// Targets is the folder of the targets, always "targets".
	Targets string `json:"targets"`
	// Target holds the trusted root, such as "trusted_root.json".
	Target string `json:"trustedRootTarget"`
}
