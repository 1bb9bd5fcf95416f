package image

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/internal/verify/image/sign"
	"github.com/kubernaut/kubernaut/internal/verify/policy"
	"github.com/kubernaut/kubernaut/test/registry"
)

// maxSwollen bounds what reading one bundle of the largest size may allocate in
// all, on both sides of the connection. The controller has half a gigabyte, and
// eight images of a run are read at once.
const maxSwollen = 128 << 20

// full repeats a part of JSON up to a size.
func full(part string, size int) string {
	return strings.TrimSuffix(strings.Repeat(part+",", size/(len(part)+1)), ",")
}

// nested is a timestamp that is made of empty sequences.
func nested(size int) []byte {
	within := func(tag byte, parts ...[]byte) []byte {
		all := bytes.Join(parts, nil)
		return append([]byte{tag, 0x83, byte(len(all) >> 16), byte(len(all) >> 8), byte(len(all))}, all...)
	}
	granted, signedData := []byte{0x30, 3, 2, 1, 0}, []byte{6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 7, 2}
	return within(0x30, granted, within(0x30, signedData, within(0xa0, within(0x30, bytes.Repeat([]byte{0x30, 0}, size/2)))))
}

// What takes a few bytes in a bundle may take hundreds in memory. Anybody who
// may push can write one of the largest size, and it must not end the controller.
func TestAttack8_BundlesThatSwell(t *testing.T) {
	const size = maxBundle - 4096
	b64 := base64.StdEncoding.EncodeToString
	with := func(material, signatures string) string {
		return `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{` + material + `},
			"dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[` + signatures + `]}}`
	}
	const key, signature = `"publicKey":{"hint":"x"}`, `{"sig":"AA=="}`
	entry := func(kind, version, spec string) string {
		body := b64([]byte(`{"kind":"` + kind + `","apiVersion":"` + version + `","spec":` + spec + `}`))
		return with(key+`,"tlogEntries":[{"logIndex":"1","logId":{"keyId":"AA=="},"integratedTime":"1","kindVersion":{"kind":"`+kind+`","version":"`+version+`"},
			"inclusionPromise":{"signedEntryTimestamp":"AA=="},"inclusionProof":{"logIndex":"1","rootHash":"AA==","treeSize":"2","hashes":["AA=="],"checkpoint":{"envelope":"a"}},
			"canonicalizedBody":"`+body+`"}]`, signature)
	}
	many := full("{}", size/2)
	for name, text := range map[string]string{
		"entries":              with(key+`,"tlogEntries":[`+full("{}", size)+`]`, signature),
		"entries null":         with(key+`,"tlogEntries":[`+full("null", size)+`]`, signature),
		"hashes":               with(key+`,"tlogEntries":[{"inclusionProof":{"hashes":[`+full(`""`, size)+`]}}]`, signature),
		"timestamps":           with(key+`,"timestampVerificationData":{"rfc3161Timestamps":[`+full("{}", size)+`]}`, signature),
		"certificates":         with(`"x509CertificateChain":{"certificates":[`+full("{}", size)+`]}`, signature),
		"signatures":           with(key, signature+","+full("{}", size)),
		"one entry, sigstore":  entry("hashedrekord", "0.0.1", `{"x":[`+many+`]}`),
		"one entry, in-toto":   entry("intoto", "0.0.2", `{"content":{"envelope":{"signatures":[`+many+`]}}}`),
		"one entry, envelope":  entry("dsse", "0.0.1", `{"signatures":[`+many+`]}`),
		"one entry, version 2": entry("hashedrekord", "0.0.2", `{"hashedRekordV002":{"x":[`+many+`]}}`),
		"one timestamp":        with(key+`,"timestampVerificationData":{"rfc3161Timestamps":[{"signedTimestamp":"`+b64(nested(size/2))+`"}]}`, signature),
		"one certificate":      with(`"certificate":{"rawBytes":"`+b64(nested(size/2))+`"}`, signature),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, registry.Options{})
			img := w.push("actions/a", "a")
			w.attach(img, []byte(text), signPredicate)
			w.lean(img, "at most")
			w.sign(img, w.trusted, policy.Bundle)
			w.pass(img, policy.Bundle)
		})
	}
}

// So it is with envelopes of the older format.
func TestAttack8_EnvelopesThatSwell(t *testing.T) {
	w := newWorld(t, registry.Options{})
	img := w.push("actions/a", "a")
	text := `{"payloadType":"x","payload":"e30=","signatures":[{"sig":"AA=="},` + full("{}", maxEnvelope-4096) + `]}`
	at := digestOf(t, img).Tag(strings.Replace(img.Digest, ":", "-", 1) + attestationSuffix)
	w.writeLayers(at, layer{payload: text, mediaType: dsseEnvelope, annotations: map[string]string{predicateClaim: spdx}})
	if refusal := w.spent(w.attested(), img); !strings.Contains(refusal, "at most") {
		t.Error(refusal)
	}
}

// A statement may be long: it is one text, and is parsed once it is known who
// signed it.
func TestLargeStatements(t *testing.T) {
	for _, f := range formats() {
		w := newWorld(t, registry.Options{})
		img := w.push("actions/a", "a")
		packages, err := json.Marshal(strings.Split(full("package", 4<<20), ","))
		if err != nil {
			t.Fatal(err)
		}
		w.state(img, f, "application/vnd.in-toto+json", `{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a","digest":{"sha256":"`+strings.TrimPrefix(img.Digest, "sha256:")+`"}}],
			"predicateType":"`+spdx+`","predicate":{"level":3,"packages":`+string(packages)+`}}`)
		if refusal := w.spent(w.stated(""), img); refusal != "" {
			t.Errorf("%s: %s", f, refusal)
		}
	}
}

// What is attested is read again, up to the size that is written.
func TestLargeAttestations(t *testing.T) {
	w := newWorld(t, registry.Options{})
	img := w.push("actions/a", "a")
	claim := sign.Claim{Type: spdx, Predicate: strings.Split(full("package", 2<<20), ",")}
	for range 2 {
		if err := sign.Attest(t.Context(), w.reader, img, w.trusted, claim); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(w.referrers(img)); n != 1 {
		t.Errorf("the same statement is attached %d times", n)
	}
	if _, err := w.stated("").Verify(t.Context(), img, verify.Subject{}); err != nil {
		t.Error(err)
	}
	claim.Predicate = strings.Repeat("x", maxBundle)
	if err := sign.Attest(t.Context(), w.reader, img, w.trusted, claim); err == nil || !strings.Contains(err.Error(), "no more than 8388608 are read") {
		t.Errorf("one that nobody would read: error %v", err)
	}
}

// lean wants a refusal that says the text and cost a bounded amount of memory.
func (w *world) lean(img verify.Image, text string) {
	w.Helper()
	if refusal := w.spent(w.verifier(), img); !strings.Contains(refusal, text) {
		w.Errorf("message lacks %q: %s", text, refusal)
	}
}

// spent returns why an image is refused, and wants that little was allocated.
func (w *world) spent(v verify.Verifier, img verify.Image) (refusal string) {
	w.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := v.Verify(w.Context(), img, verify.Subject{})
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > maxSwollen {
		w.Errorf("%d MiB were allocated", n>>20)
	}
	if err == nil {
		return ""
	}
	return err.Error()
}
