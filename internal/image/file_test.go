package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/kubernaut/kubernaut/api/v1alpha1"
	"github.com/kubernaut/kubernaut/internal/verify"
	"github.com/kubernaut/kubernaut/test/registry"
)

// entries of one layer, in order.
type entries []tar.Header

func reg(name, content string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)), Uname: content}
}

func link(kind byte, name, to string) tar.Header {
	return tar.Header{Typeflag: kind, Name: name, Linkname: to}
}

// raw writes the entries; the content of a file travels in Uname.
func (e entries) raw(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range e {
		content := h.Uname
		h.Uname = ""
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (e entries) layer(t testing.TB) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(e.raw(t)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return static.NewLayer(b.Bytes(), types.OCILayer)
}

func write(t testing.TB, served *registry.Registry, layers ...v1.Layer) verify.Image {
	t.Helper()
	img, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), layers...)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.NewTag(served.Image("actions/a") + ":v1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return verify.Image{Repository: ref.Context().Name(), Digest: d.String()}
}

func TestReadFile(t *testing.T) {
	const file = "action-contract.yaml"
	for name, c := range map[string]struct {
		layers []entries
		want   string
		refuse string
	}{
		"last layer":              {layers: []entries{{reg("a", "x")}, {reg(file, "yes")}}, want: "yes"},
		"lower layer":             {layers: []entries{{reg(file, "yes")}, {reg("a", "x")}}, want: "yes"},
		"upper layer wins":        {layers: []entries{{reg(file, "no")}, {reg(file, "yes")}}, want: "yes"},
		"with dot":                {layers: []entries{{reg("./"+file, "yes")}}, want: "yes"},
		"with slash":              {layers: []entries{{reg("/"+file, "yes")}}, want: "yes"},
		"with detour":             {layers: []entries{{reg("a/../"+file, "yes")}}, want: "yes"},
		"empty":                   {layers: []entries{{reg(file, "no")}, {reg(file, "")}}, want: ""},
		"of another name":         {layers: []entries{{reg(file+".bak", "no"), reg("sub/"+file, "no")}}, refuse: "no layer holds it"},
		"no layers":               {refuse: "no layer holds it"},
		"removed":                 {layers: []entries{{reg(file, "no")}, {reg(".wh."+file, "")}}, refuse: "layer 2 removes it"},
		"removed, then written":   {layers: []entries{{reg(file, "no")}, {reg(".wh."+file, "")}, {reg(file, "yes")}}, want: "yes"},
		"removed and written":     {layers: []entries{{reg(file, "no")}, {reg(file, "yes"), reg(".wh."+file, "")}}, want: "yes"},
		"all removed":             {layers: []entries{{reg(file, "no")}, {reg(".wh..wh..opq", "")}}, refuse: "layer 2 removes it"},
		"other removed":           {layers: []entries{{reg(file, "yes")}, {reg(".wh.other", ""), reg("sub/.wh..wh..opq", ""), reg("sub/.wh."+file, "")}}, want: "yes"},
		"twice":                   {layers: []entries{{reg(file, "one"), reg(file, "two")}}, refuse: "holds the file twice"},
		"twice, other spelling":   {layers: []entries{{reg(file, "one"), reg("./"+file, "two")}}, refuse: "holds the file twice"},
		"symbolic link":           {layers: []entries{{reg("real", "no"), link(tar.TypeSymlink, file, "real")}}, refuse: "not a regular file"},
		"link over file":          {layers: []entries{{reg(file, "no")}, {link(tar.TypeSymlink, file, "/etc/passwd")}}, refuse: "not a regular file"},
		"file, then link":         {layers: []entries{{reg(file, "no"), link(tar.TypeSymlink, file, "real")}}, refuse: "not a regular file"},
		"hard link":               {layers: []entries{{reg("real", "no"), link(tar.TypeLink, file, "real")}}, refuse: "not a regular file"},
		"directory":               {layers: []entries{{link(tar.TypeDir, file+"/", "")}}, refuse: "not a regular file"},
		"device":                  {layers: []entries{{link(tar.TypeChar, file, "")}}, refuse: "not a regular file"},
		"as large as may be":      {layers: []entries{{reg(file, strings.Repeat("x", maxFile))}}, want: strings.Repeat("x", maxFile)},
		"larger":                  {layers: []entries{{reg(file, strings.Repeat("x", maxFile+1))}}, refuse: "at most 262144 are allowed"},
		"larger, hidden by upper": {layers: []entries{{reg(file, strings.Repeat("x", maxFile+1))}, {reg(file, "yes")}}, want: "yes"},
	} {
		t.Run(name, func(t *testing.T) {
			served := registry.New(t, registry.Options{})
			var layers []v1.Layer
			for _, e := range c.layers {
				layers = append(layers, e.layer(t))
			}
			img := write(t, served, layers...)
			got, err := New(plain(served)).ReadFile(context.Background(), img, "/"+file, nobody())
			if c.refuse != "" {
				wantRefusal(t, err, v1alpha1.ReasonContractInvalid, c.refuse, img.String(), file)
				return
			}
			if err != nil || string(got) != c.want {
				t.Errorf("read %.40q, error %v", got, err)
			}
		})
	}
}

func TestReadFileInDirectory(t *testing.T) {
	served := registry.New(t, registry.Options{})
	base := entries{link(tar.TypeDir, "etc/", ""), reg("etc/x", "yes")}
	for name, c := range map[string]struct {
		top    entries
		refuse string
	}{
		"plain":               {entries{reg("a", "")}, ""},
		"directory again":     {entries{link(tar.TypeDir, "etc", "")}, ""},
		"directory removed":   {entries{reg(".wh.etc", "")}, "removes it"},
		"directory emptied":   {entries{reg("etc/.wh..wh..opq", "")}, "removes it"},
		"directory is a link": {entries{link(tar.TypeSymlink, "etc", "/evil")}, "etc is a link"},
	} {
		img := write(t, served, base.layer(t), c.top.layer(t))
		got, err := New(plain(served)).ReadFile(context.Background(), img, "/etc/x", nobody())
		if c.refuse != "" {
			wantRefusal(t, err, v1alpha1.ReasonContractInvalid, c.refuse)
		} else if err != nil || string(got) != "yes" {
			t.Errorf("%s: read %q, error %v", name, got, err)
		}
	}
}

func TestReadFileOddLayers(t *testing.T) {
	served := registry.New(t, registry.Options{})
	good := entries{reg("action-contract.yaml", "yes")}
	for name, c := range map[string]struct {
		top    v1.Layer
		refuse string
	}{
		"plain tar":   {static.NewLayer(good.raw(t), types.OCIUncompressedLayer), ""},
		"docker type": {static.NewLayer(good.raw(t), types.DockerUncompressedLayer), ""},
		"zstd":        {static.NewLayer(good.raw(t), types.OCILayerZStd), "is not supported"},
		"foreign":     {static.NewLayer(good.raw(t), "application/x"), "is not supported"},
		"not gzip":    {static.NewLayer(good.raw(t), types.OCILayer), "not gzip"},
		"not tar":     {static.NewLayer(bytes.Repeat([]byte("x"), 1024), types.OCIUncompressedLayer), "archive is malformed"},
	} {
		img := write(t, served, good.layer(t), c.top)
		got, err := New(plain(served)).ReadFile(context.Background(), img, ContractPath, nobody())
		if c.refuse != "" {
			wantRefusal(t, err, v1alpha1.ReasonContractInvalid, c.refuse)
		} else if err != nil || string(got) != "yes" {
			t.Errorf("%s: read %q, error %v", name, got, err)
		}
	}
}

// child makes an image of an index that carries content as contract.
func child(t *testing.T, content string) v1.Image {
	t.Helper()
	img, err := Build(Spec{Contract: []byte(content)})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestReadFileOfIndex(t *testing.T) {
	served := registry.New(t, registry.Options{})
	add := func(img v1.Image, os, arch string) mutate.IndexAddendum {
		return mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: os, Architecture: arch}}}
	}
	same, other := child(t, "same"), child(t, "other")
	bare, err := Build(Spec{})
	if err != nil {
		t.Fatal(err)
	}
	nested := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), add(same, "linux", "amd64"))
	for title, c := range map[string]struct {
		children []mutate.IndexAddendum
		refuse   string
	}{
		"same everywhere":    {[]mutate.IndexAddendum{add(same, "linux", "amd64"), add(same, "linux", "arm64")}, ""},
		"attestation beside": {[]mutate.IndexAddendum{add(same, "linux", "amd64"), add(bare, "unknown", "unknown")}, ""},
		"differs":            {[]mutate.IndexAddendum{add(same, "linux", "amd64"), add(other, "linux", "arm64")}, "linux/amd64 and linux/arm64 carry different files"},
		"missing on one":     {[]mutate.IndexAddendum{add(same, "linux", "amd64"), add(bare, "linux", "arm64")}, "platform linux/arm64"},
		"index in index":     {[]mutate.IndexAddendum{{Add: nested}}, "instead of an image"},
		"empty":              {nil, "no image for any platform"},
	} {
		index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), c.children...)
		ref, err := name.NewTag(served.Image("actions/multi") + ":v1")
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.WriteIndex(ref, index); err != nil {
			t.Fatal(err)
		}
		img, err := New(plain(served)).Resolve(context.Background(), ref.Name(), nobody())
		if err != nil {
			t.Fatal(err)
		}
		if want, err := index.Digest(); err != nil || img.Digest != want.String() {
			t.Errorf("%s: resolves to %s, want the index itself, %s", title, img.Digest, want)
		}
		got, err := New(plain(served)).ReadFile(context.Background(), img, ContractPath, nobody())
		if c.refuse != "" {
			wantRefusal(t, err, v1alpha1.ReasonContractInvalid, c.refuse)
		} else if err != nil || string(got) != "same" {
			t.Errorf("%s: read %q, error %v", title, got, err)
		}
	}
}

func TestReadFileOfPolyglot(t *testing.T) {
	for text, want := range map[string]string{
		`{"manifests":[],"layers":[]}`: "an index and an image at once", `[]`: "malformed", `{"layers":7}`: "malformed",
	} {
		_, err := isIndexDocument([]byte(text))
		if err == nil {
			_, err = (&Repository{}).fileOfImage(context.Background(), []byte(text), "x")
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want %q", text, err, want)
		}
	}
}

// What is cut off on the way is worth a retry and never a verdict.
func TestReadFileBrokenTransport(t *testing.T) {
	served := registry.New(t, registry.Options{})
	whole := entries{reg("action-contract.yaml", "yes"), reg("rest", strings.Repeat("abcdefgh", 9000))}
	img := write(t, served, whole.layer(t))
	evil := entries{reg("action-contract.yaml", "evil")}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write(evil.raw(t)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, answer := range map[string]func(http.ResponseWriter){
		"cut off": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write(zipped.Bytes()[:20])
		},
		"other bytes": func(w http.ResponseWriter) { _, _ = w.Write(zipped.Bytes()) },
		"error":       func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) },
		"hang up":     func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			served.Hook(func(w http.ResponseWriter, req *http.Request) bool {
				if strings.Contains(req.URL.Path, "/blobs/") {
					answer(w)
					return true
				}
				return false
			})
			_, err := New(plain(served)).ReadFile(context.Background(), img, ContractPath, nobody())
			wantRetry(t, err, img.Digest)
		})
	}
	served.Hook(nil)
	img.Digest = "sha256:" + strings.Repeat("0", 64)
	_, err := New(plain(served)).ReadFile(context.Background(), img, ContractPath, nobody())
	wantRefusal(t, err, v1alpha1.ReasonImageNotFound, img.String())
}

func TestContractIsReadWithoutTheRest(t *testing.T) {
	served := registry.New(t, registry.Options{})
	img := pushed(t, served, "actions/a", strings.Repeat("binary", 1000))
	o, secret := plain(served), []byte(`{"auths":{}}`)
	o.Credentials = func(context.Context, verify.Subject) ([][]byte, error) { return [][]byte{secret}, nil }
	files := Cached(New(o), 0)
	served.Reset()
	for _, want := range []int{2, 2} {
		got, err := files.ReadFile(context.Background(), img, ContractPath, nobody())
		if err != nil || string(got) != "kind: ActionContract\n" {
			t.Fatalf("read %q, error %v", got, err)
		}
		got[0] = 'X'
		if n := served.Requests(); n != want {
			t.Errorf("%d requests, want %d: %v", n, want, served.Log())
		}
	}
	if _, err := files.ReadFile(context.Background(), img, ContractPath, verify.Subject{Namespace: "other"}); err != nil || served.Requests() != 2 {
		t.Errorf("another namespace with the same pull secrets: error %v, %d requests", err, served.Requests())
	}
	secret = []byte(`{"auths":{"other.example.com":{}}}`)
	if _, err := files.ReadFile(context.Background(), img, ContractPath, nobody()); err != nil || served.Requests() != 4 {
		t.Errorf("another pull secret: error %v, %d requests", err, served.Requests())
	}
}

func FuzzLayer(f *testing.F) {
	f.Add(entries{reg("x", "yes")}.raw(f))
	f.Add(entries{reg("a", ""), link(tar.TypeSymlink, "x", "a"), reg(".wh.x", "")}.raw(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := unpack(bytes.NewReader(data), false, "x")
		if err != nil && got.data != nil {
			t.Error("an error came with a file")
		}
		if len(got.data) > maxFile {
			t.Errorf("%d bytes", len(got.data))
		}
	})
}
