package origin

// BuildType names how images are built: "kubernaut actions build" at a revision
// of the sources, which anybody can repeat to get the same digest.
const BuildType = "https://kubernaut.ai/build/actions/v1"

// Provenance is a predicate of SLSA's version 1.
type Provenance struct {
	Definition Definition `json:"buildDefinition"`
	Run        Run        `json:"runDetails"`
}

// Definition says what was built from what.
type Definition struct {
	Type     string `json:"buildType"`
	External struct {
		Source   string `json:"source"`
		Revision string `json:"revision,omitempty"`
		Image    string `json:"image"`
	} `json:"externalParameters"`
	// Internal are the settings of the compiler, by program.
	Internal     map[string]map[string]string `json:"internalParameters,omitempty"`
	Dependencies []Dependency                 `json:"resolvedDependencies"`
}

// Dependency is something that went into the build.
type Dependency struct {
	URI    string            `json:"uri"`
	Digest map[string]string `json:"digest,omitempty"`
}

// Run says who built.
type Run struct {
	Builder struct {
		ID string `json:"id"`
	} `json:"builder"`
}

// Provenance says how the image was built. No time is in it, because two builds
// of the same sources are the same.
func (i Image) Provenance() Provenance {
	var p Provenance
	p.Definition.Type = BuildType
	p.Definition.External.Source, p.Definition.External.Revision, p.Definition.External.Image = i.Source, i.Revision, i.Name
	p.Definition.Internal = map[string]map[string]string{}
	for _, program := range i.Programs {
		p.Definition.Internal[program.Path] = program.Settings
	}
	source := Dependency{URI: i.Source}
	if i.Revision != "" {
		source.URI += "@" + i.Revision
		source.Digest = map[string]string{"gitCommit": i.Revision}
	}
	p.Definition.Dependencies = []Dependency{source}
	for _, version := range i.toolchains() {
		p.Definition.Dependencies = append(p.Definition.Dependencies, Dependency{URI: "pkg:golang/stdlib@" + version})
	}
	for _, m := range i.modules() {
		d := Dependency{URI: purl(m)}
		if sum := dirHash(m.Sum); sum != "" {
			d.Digest = map[string]string{"dirHash": sum}
		}
		p.Definition.Dependencies = append(p.Definition.Dependencies, d)
	}
	p.Run.Builder.ID = i.Builder
	return p
}
