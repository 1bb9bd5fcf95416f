package policy

import (
	"fmt"
	"strings"
)

// compile refuses the whole policy for one authority that it cannot use: to
// leave that one out could hide from its author that it never counts.
func (a authority) compile(at string, secrets Secrets) (Authority, error) {
	kinds := 0
	for _, set := range []bool{a.Key != nil, a.Keyless != nil, a.Static != nil} {
		if set {
			kinds++
		}
	}
	if kinds != 1 {
		return Authority{}, fmt.Errorf("%s: exactly one of key, keyless, static is needed, %d are set", at, kinds)
	}
	if a.Keyless != nil {
		return Authority{}, a.Keyless.refuse(at + ".keyless")
	}
	field := a.unsupported()
	switch {
	case field != "":
		return Authority{}, unsupported(at + "." + field)
	case a.Static != nil:
		return a.compileStatic(at + ".static")
	default:
		return a.compileKey(at, secrets)
	}
}

func (a authority) unsupported() string {
	switch {
	case len(a.Attestations) > 0:
		return "attestations"
	case len(a.Source) > 0:
		return "source"
	case a.RFC3161 != nil:
		return "rfc3161timestamp"
	case a.CTLog != nil && a.CTLog.URL != "":
		return "ctlog.url"
	case a.CTLog != nil && a.CTLog.TrustRootRef != "":
		return "ctlog.trustRootRef"
	default:
		return ""
	}
}

func (a authority) compileStatic(at string) (Authority, error) {
	if a.CTLog != nil || a.SignatureFormat != "" {
		return Authority{}, fmt.Errorf("%s: it excludes ctlog and signatureFormat", at)
	}
	switch a.Static.Action {
	case "pass":
		return Authority{Static: &Static{Pass: true}}, nil
	case "fail":
		return Authority{Static: &Static{Message: a.Static.Message}}, nil
	default:
		return Authority{}, fmt.Errorf("%s.action: %q is neither pass nor fail", at, a.Static.Action)
	}
}

func (a authority) compileKey(at string, secrets Secrets) (Authority, error) {
	format, known := map[string]Format{"": AnyFormat, "legacy": Legacy, "bundle": Bundle}[a.SignatureFormat]
	if !known {
		return Authority{}, fmt.Errorf("%s.signatureFormat: %q is neither legacy nor bundle", at, a.SignatureFormat)
	}
	at += ".key"
	switch {
	case a.Key.KMS != "":
		return Authority{}, unsupported(at + ".kms")
	case a.Key.HashAlgorithm != "" && a.Key.HashAlgorithm != "sha256":
		return Authority{}, unsupported(fmt.Sprintf("%s.hashAlgorithm %q", at, a.Key.HashAlgorithm))
	case (a.Key.SecretRef != nil) == (a.Key.Data != ""):
		return Authority{}, fmt.Errorf("%s: exactly one of data and secretRef is needed", at)
	}
	keys, err := a.Key.load(secrets)
	if err != nil {
		return Authority{}, fmt.Errorf("%s: %w", at, err)
	}
	return Authority{Keys: keys, Format: format}, nil
}

// refuse says first what would be wrong even where keyless is supported: the
// field is easily forgotten, and without it anybody with an account could sign.
func (k *keyless) refuse(at string) error {
	if len(k.Identities) == 0 {
		return fmt.Errorf("%s.identities is missing: name the issuer and the subject (or issuerRegExp and subjectRegExp) that may sign", at)
	}
	for i, id := range k.Identities {
		var missing []string
		if id.Issuer == "" && id.IssuerRegExp == "" {
			missing = append(missing, "issuer (or issuerRegExp)")
		}
		if id.Subject == "" && id.SubjectRegExp == "" {
			missing = append(missing, "subject (or subjectRegExp)")
		}
		if len(missing) > 0 {
			return fmt.Errorf("%s.identities[%d] lacks %s", at, i, strings.Join(missing, " and "))
		}
	}
	return unsupported(at)
}
