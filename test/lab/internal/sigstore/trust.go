package sigstore

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"time"

	"github.com/kubernaut/kubernaut/test/lab/internal/place"
)

// trust is what a verifier has to know of the services.
type trust struct {
	// fulcio and tsa are chains, from the certificate that signs to its root.
	fulcio, tsa []*x509.Certificate
	rekor       ed25519.PublicKey
}

// json writes the trusted root in Sigstore's format, where bytes are base64.
func (t trust) json() ([]byte, error) {
	key, err := x509.MarshalPKIXPublicKey(t.rekor)
	if err != nil {
		return nil, fmt.Errorf("encode key of rekor: %w", err)
	}
	return json.MarshalIndent(map[string]any{
		"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
		"tlogs": []any{map[string]any{
			"baseUrl": place.RekorURL, "hashAlgorithm": "SHA2_256", "logId": map[string]any{"keyId": logID(place.IP, t.rekor)},
			"publicKey": map[string]any{"rawBytes": key, "keyDetails": "PKIX_ED25519", "validFor": since(t.fulcio[0])},
		}},
		"certificateAuthorities": []any{chain(place.FulcioURL, t.fulcio)},
		"timestampAuthorities":   []any{chain(place.TSAURL, t.tsa)},
	}, "", "  ")
}

func chain(url string, certs []*x509.Certificate) map[string]any {
	var raw []any
	for _, c := range certs {
		raw = append(raw, map[string]any{"rawBytes": c.Raw})
	}
	root := certs[len(certs)-1].Subject
	return map[string]any{
		"uri": url, "subject": map[string]any{"organization": root.Organization[0], "commonName": root.CommonName},
		"certChain": map[string]any{"certificates": raw}, "validFor": since(certs[0]),
	}
}

func since(c *x509.Certificate) map[string]any {
	return map[string]any{"start": c.NotBefore.UTC().Format(time.RFC3339)}
}

// logID is how an entry names its log: the whole hash of which a signed note
// shows four bytes (C2SP signed-note; 1 is the algorithm's number there). The
// log's name is the host of its address, which verifiers insist on.
func logID(name string, key ed25519.PublicKey) []byte {
	sum := sha256.Sum256(append([]byte(name+"\n\x01"), key...))
	return sum[:]
}
