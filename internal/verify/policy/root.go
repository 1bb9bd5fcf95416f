package policy

import "time"

// RootKeys is a root of trust given one by one, in PEM form.
type RootKeys struct {
	// Authorities issue certificates, Stamps issue timestamps: each a chain from
	// the issuing certificate to the root.
	Authorities, Stamps []RootChain
	// Logs record signatures, CertificateLogs certificates.
	Logs, CertificateLogs []RootLog
}

// RootChain is a chain of certificates and when it counts.
type RootChain struct {
	Organization, CommonName, URI string
	// Chain in PEM form, issuing certificate first.
	Chain []byte
	// From and Until bound the use; the zero time means no bound.
	From, Until time.Time
}

// RootLog is a log and its key.
type RootLog struct {
	BaseURL string
	// HashAlgorithm such as "sha-256".
	HashAlgorithm string
	// PublicKey in PEM form.
	PublicKey []byte
	// From and Until bound the use; the zero time means no bound.
	From, Until time.Time
}

// RootRepository is a TUF repository as a file.
type RootRepository struct {
	// Root is the first root.json that is trusted.
	Root []byte
	// Mirror is the repository as gzipped tar.
	Mirror []byte
	// Targets is the folder of the targets; empty means "targets".
	Targets string
	// TrustedRootTarget is the target that holds the trusted root; empty means
	// "trusted_root.json".
	TrustedRootTarget string
}

// RootRemote is a TUF repository on a server.
type RootRemote struct {
	// Root is the first root.json that is trusted.
	Root []byte
	// Mirror is the URL of the repository.
	Mirror string
	// Targets is the folder of the targets; empty means "targets".
	Targets string
	// TrustedRootTarget is the target that holds the trusted root; empty means
	// "trusted_root.json".
	TrustedRootTarget string
}
