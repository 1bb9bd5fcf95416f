package place

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Env tells others how to reach the lab.
type Env struct {
	Kubeconfig string   `json:"kubeconfig"`
	Registry   string   `json:"registry"`
	Node       string   `json:"node"`
	Assets     string   `json:"assets"`
	AuditLog   string   `json:"auditLog"`
	Forge      Forge    `json:"forge"`
	Sigstore   Sigstore `json:"sigstore"`
}

// Forge tells how to reach the Git forge.
type Forge struct {
	URL      string `json:"url"`
	User     string `json:"user"`
	Password string `json:"password"`
	Token    string `json:"token,omitempty"`
}

// Sigstore tells how to sign without a key, and whom to trust then.
type Sigstore struct {
	Fulcio string `json:"fulcio"`
	Rekor  string `json:"rekor"`
	// TSA is the whole address that takes timestamp requests.
	TSA string `json:"tsa"`
	// Issuer is what certificates call the issuer of identities.
	Issuer string `json:"issuer"`
	// Token answers {"id_token": "..."} for the form value email.
	Token string `json:"token"`
	// TrustedRoot is the path of the trusted_root.json that fits the services.
	TrustedRoot string `json:"trustedRoot"`
}

// ReadEnv reads the lab's facts; fs.ErrNotExist means that it was never up.
func (p *Place) ReadEnv() (Env, error) {
	var e Env
	data, err := os.ReadFile(p.Path("env.json"))
	if err != nil {
		return e, fmt.Errorf("read the lab's facts: %w", err)
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return e, fmt.Errorf("read the lab's facts: %w", err)
	}
	return e, nil
}

// RefreshEnv writes the facts as they are now. Credentials stay what they
// were, since the forge knows them; a first time makes new ones.
func (p *Place) RefreshEnv(assets string) error {
	e, err := p.ReadEnv()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	e.Kubeconfig, e.Registry, e.Node = p.Path("kubeconfig"), Registry, Node
	e.Assets, e.AuditLog = assets, p.Path("log", "audit.log")
	e.Forge.URL, e.Forge.User = ForgeURL, "kubernaut"
	e.Sigstore = Sigstore{Fulcio: FulcioURL, Rekor: RekorURL, TSA: TSAURL + "/api/v1/timestamp", Issuer: IssuerURL, Token: IssuerURL + "/token",
		TrustedRoot: p.Path("sigstore", "trusted_root.json")}
	if e.Forge.Password == "" {
		e.Forge.Password = Random(12)
	}
	return p.WriteEnv(e)
}

// WriteEnv stores the lab's facts.
func (p *Place) WriteEnv(e Env) error {
	data, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the lab's facts: %w", err)
	}
	return p.Write("env.json", append(data, '\n'), 0o600)
}
