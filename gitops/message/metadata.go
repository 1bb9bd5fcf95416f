package message

import (
	"encoding/json"
	"strings"
)

const (
	// Schema is the version of the metadata block that is written.
	Schema = 1

	metadataOpen  = "<!-- kubernaut:metadata "
	metadataClose = " -->"
	maxMetadata   = 4096
)

// Metadata finds a pull request again. It helps to tell proposals apart and
// must not be trusted for anything else: everybody may edit it.
type Metadata struct {
	Schema       int    `json:"schema"`
	Cause        string `json:"cause"`
	RunUID       string `json:"runUID,omitempty"`
	WorkflowHash string `json:"workflowHash,omitempty"`
	BaseSHA      string `json:"baseSHA,omitempty"`
	PatchHash    string `json:"patchHash,omitempty"`
}

// comment writes the hidden block. JSON escapes < and >, so no value can end
// the comment.
func (m Metadata) comment() string {
	m.Schema = Schema
	for _, s := range []*string{&m.Cause, &m.RunUID, &m.WorkflowHash, &m.BaseSHA, &m.PatchHash} {
		*s = line(*s, 128)
	}
	b, err := json.Marshal(m)
	if err != nil {
		return ""
	}
	// "--" is not allowed inside a comment either, and some forges look for
	// mentions and references even there.
	safe := strings.NewReplacer("--", `-\u002d`, "@", `\u0040`, "#", `\u0023`, "!", `\u0021`).Replace(string(b))
	return metadataOpen + safe + metadataClose
}

// ParseMetadata reads the last block of a body that stands on a line of its
// own, which is where Body writes it; false if there is none that can be read.
func ParseMetadata(body string) (Metadata, bool) {
	raw := ""
	if len(body) > 4*MaxBody {
		return Metadata{}, false
	}
	for _, l := range strings.Split(body, "\n") {
		l, opens := strings.CutPrefix(strings.TrimRight(l, "\r "), metadataOpen)
		l, closes := strings.CutSuffix(l, metadataClose)
		if opens && closes {
			raw = l
		}
	}
	if len(raw) > maxMetadata {
		return Metadata{}, false
	}
	d := json.NewDecoder(strings.NewReader(raw))
	d.DisallowUnknownFields()
	var m Metadata
	if d.Decode(&m) != nil || d.More() || m.Schema != Schema || m.Cause == "" {
		return Metadata{}, false
	}
	return m, true
}
