package policy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	kjson "sigs.k8s.io/json"
)

const (
	// maxAuthorities and maxImages bound one policy, and so the work per image.
	maxAuthorities = 64
	maxImages      = 256
)

// Inputs are what policies are compiled from.
type Inputs struct {
	// Policies and TrustRoots are objects as JSON.
	Policies, TrustRoots [][]byte
	// Secrets reads the Secrets that policies name; nil means none can be read.
	Secrets Secrets
	// ConfigMaps reads the ConfigMaps that policies name; nil means none can be
	// read.
	ConfigMaps func(namespace, name string) (map[string]string, error)
	// Rules compiles the rules in policies; nil means that none are understood.
	// It must depend on its arguments alone.
	Rules func(language, text string) (Program, error)
	// Public is the root where a policy names none; nil closes such a policy.
	Public *Root
	// Compat judges as Policy Controller does, where that is less strict.
	Compat bool
}

// Compile reads policies given as JSON objects. It leaves none out: one that
// cannot be used is closed, which refuses the images it names, or all images
// if not even that can be read.
func Compile(in Inputs) *Set {
	set := &Set{compat: in.Compat}
	// What counts is hashed, and not the whole object: its status changes often.
	parts := []string{fmt.Sprintf("compat %t", in.Compat)}
	var trusted roots
	trusted, set.roots = compileRoots(in.TrustRoots)
	for _, object := range in.Policies {
		c := &compiler{in: in, roots: trusted}
		compiled, spec := c.compile(object)
		set.policies = append(set.policies, compiled)
		parts = append(parts, c.fingerprint(compiled, spec))
	}
	slices.SortStableFunc(set.policies, func(a, b Compiled) int { return cmp.Compare(a.Name, b.Name) })
	slices.Sort(parts)
	set.hash = hash(parts)
	return set
}

// header is read leniently, so that a policy with a typing error still guards
// the images it names.
type header struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec json.RawMessage `json:"spec"`
}

func (c *compiler) compile(object []byte) (Compiled, []byte) {
	var h header
	if err := kjson.UnmarshalCaseSensitivePreserveInts(object, &h); err != nil {
		return Compiled{Name: "(unreadable)", Closed: fmt.Sprintf("it is not a JSON object: %v", err)}, object
	}
	out := Compiled{Name: cmp.Or(h.Metadata.Name, "(without name)")}
	globs, globErr := readGlobs(h.Spec)
	out.globs = globs
	var d document[spec]
	strict, err := kjson.UnmarshalStrict(object, &d)
	if err := errors.Join(append(strict, err, globErr)...); err != nil {
		out.Closed = oneLine(err)
		return out, h.Spec
	}
	if err := c.fill(&out, d); err != nil {
		// Neither a warning nor a match may narrow what a closed policy guards.
		out = Compiled{Name: out.Name, Closed: oneLine(err), globs: globs}
	}
	return out, h.Spec
}

// readGlobs returns no globs at all if one of them is unreadable: the policy
// then names every image, see Compiled.names.
func readGlobs(raw []byte) ([]glob, error) {
	var images struct {
		Images []image `json:"images"`
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(raw, &images); err != nil {
		return nil, fmt.Errorf("spec.images: %w", err)
	}
	if n := len(images.Images); n == 0 || n > maxImages {
		return nil, fmt.Errorf("spec.images: %d entries, 1 to %d are needed", n, maxImages)
	}
	var globs []glob
	for i, image := range images.Images {
		g, err := compileGlob(image.Glob)
		if err != nil {
			return nil, fmt.Errorf("spec.images[%d]: %w", i, err)
		}
		globs = append(globs, g)
	}
	return globs, nil
}

func (c *compiler) fill(out *Compiled, d document[spec]) error {
	if err := usable(d); err != nil {
		return err
	}
	out.Warn = d.Spec.Mode == "warn"
	for i, m := range d.Spec.Match {
		compiled, err := compileMatch(m)
		if err != nil {
			return fmt.Errorf("spec.match[%d]: %w", i, err)
		}
		out.match = append(out.match, compiled)
	}
	for i, a := range d.Spec.Authorities {
		compiled, err := c.authority(fmt.Sprintf("spec.authorities[%d]", i), a)
		if err != nil {
			return err
		}
		compiled.Name = cmp.Or(a.Name, fmt.Sprintf("authority-%d", i))
		out.Authorities = append(out.Authorities, compiled)
	}
	return c.ruled(out, d.Spec.Policy)
}

// ruled compiles the rule over all authorities, which knows them by their names.
func (c *compiler) ruled(out *Compiled, over *rule) (err error) {
	if over == nil {
		return nil
	}
	names := map[string]bool{}
	for i, a := range out.Authorities {
		if names[a.Name] {
			return fmt.Errorf("spec.authorities[%d].name: %q is the name of two, and the rule of spec.policy could not tell them apart", i, a.Name)
		}
		names[a.Name] = true
	}
	out.Rule, err = c.rule("spec.policy", *over)
	return err
}

func usable(d document[spec]) error {
	version := strings.TrimPrefix(d.APIVersion, Group+"/")
	n := len(d.Spec.Authorities)
	switch {
	case d.Kind != kind || version != v1alpha1 && version != v1beta1:
		return fmt.Errorf("%s %s is not a %s of %s", d.APIVersion, d.Kind, kind, Group)
	case d.Spec.Mode != "" && d.Spec.Mode != "enforce" && d.Spec.Mode != "warn":
		return fmt.Errorf("spec.mode: %q is neither enforce nor warn", d.Spec.Mode)
	case n == 0 || n > maxAuthorities:
		return fmt.Errorf("spec.authorities: %d entries, 1 to %d are needed", n, maxAuthorities)
	default:
		return nil
	}
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// fingerprint covers the text of the policy, whatever was read for it and
// whether it is closed: a Secret or a TrustRoot can change while the policy
// stays.
func (c *compiler) fingerprint(out Compiled, spec []byte) string {
	return hash(fmt.Sprintf("%q %q %q %q", out.Name, out.Closed, spec, c.read))
}

// Memo compiles again only where something differs. Its zero value is ready, it
// is safe for concurrent use, and a nil one remembers nothing.
type Memo struct {
	mu   sync.Mutex
	last *compiled
}

// compiled is a set and all that it was made of.
type compiled struct {
	in    Inputs
	looks []look
	set   *Set
}

// same looks at everything that is given, and again at everything that was read.
func (c *compiled) same(in Inputs) bool {
	return c.in.Compat == in.Compat && (c.in.Public == nil) == (in.Public == nil) && (in.Public == nil || c.in.Public.Hash == in.Public.Hash) &&
		slices.EqualFunc(c.in.Policies, in.Policies, bytes.Equal) && slices.EqualFunc(c.in.TrustRoots, in.TrustRoots, bytes.Equal) &&
		!slices.ContainsFunc(c.looks, func(l look) bool { return l.again(in) != l.gave })
}

// look is one read, and the hash of what it gave.
type look struct {
	again func(Inputs) string
	gave  string
}

// Compile is like the function of this name. It reads every Secret and ConfigMap
// again: what it saves is the time to compile, milliseconds where there are
// rules. Of all calls, Rules must be the same.
func (m *Memo) Compile(in Inputs) *Set {
	if m == nil {
		return Compile(in)
	}
	m.mu.Lock()
	last := m.last
	m.mu.Unlock()
	if last != nil && last.same(in) {
		return last.set
	}
	next := &compiled{in: in}
	next.in.Secrets, next.in.ConfigMaps = nil, nil // they hold on to this call
	next.set = Compile(next.watch(in))
	m.mu.Lock()
	m.last = next
	m.mu.Unlock()
	return next.set
}

// watch notes what is read.
func (c *compiled) watch(in Inputs) Inputs {
	secrets, maps := in.Secrets, in.ConfigMaps
	if secrets != nil {
		in.Secrets = func(namespace, name string) (map[string][]byte, error) {
			data, err := secrets(namespace, name)
			c.looks = append(c.looks, look{func(in Inputs) string { return gave(in.Secrets(namespace, name)) }, gave(data, err)})
			return data, err
		}
	}
	if maps != nil {
		in.ConfigMaps = func(namespace, name string) (map[string]string, error) {
			data, err := maps(namespace, name)
			c.looks = append(c.looks, look{func(in Inputs) string { return gave(in.ConfigMaps(namespace, name)) }, gave(data, err)})
			return data, err
		}
	}
	return in
}

func gave[V string | []byte](data map[string]V, err error) string {
	return hash([]string{fmt.Sprintf("%q", data), fmt.Sprint(err)})
}
