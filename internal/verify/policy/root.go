package policy

// Root is a root of trust. Exactly one of TrustedRoot, Keys, Repository, Remote
// and Public is set.
type Root struct {
	// Name of the TrustRoot object; empty if the controller brought the root.
	Name string
	// Hash of the content, 64 hexadecimal digits.
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

// RootKeys is a root of trust given one by one.
type RootKeys struct {
	// Authorities issue certificates, Stamps issue timestamps.
	Authorities, Stamps []RootAuthority
	// Logs record signatures, CertificateLogs certificates.
	Logs, CertificateLogs []RootLog
}

// RootAuthority is a chain of certificates.
type RootAuthority struct {
	URI string
	// Chain in PEM form, issuing certificate first and root last.
	Chain []byte
}

// RootLog is a log and its key.
type RootLog struct {
	BaseURL string
	// PublicKey in PEM form.
	PublicKey []byte
}

// RootRepository is a TUF repository as a file.
type RootRepository struct {
	// Root is the first root.json that is trusted.
	Root []byte
	// Mirror is the repository as gzipped tar.
	Mirror []byte
	// Targets is the folder of the targets, such as "targets".
	Targets string
	// Target holds the trusted root, such as "trusted_root.json".
	Target string
}

// RootRemote is a TUF repository on a server.
type RootRemote struct {
	// Root is the first root.json that is trusted.
	Root []byte
	// Mirror is the URL of the repository.
	Mirror string
	// Target holds the trusted root, such as "trusted_root.json".
	Target string
}
