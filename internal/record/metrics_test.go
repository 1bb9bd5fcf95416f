package record

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/kubernaut/kubernaut/internal/verify"
)

func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	m, err := NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	m.Verified(verify.Attempt{Verdict: verify.Allowed, Format: "bundle", Took: 30 * time.Millisecond})
	m.Verified(verify.Attempt{Verdict: verify.Refused, Format: verify.NoFormat, Took: time.Hour})
	m.Cached(verify.Hit)
	m.Cached(verify.Hit)
	m.Requested("manifest")
	for name, want := range map[string]string{
		"kubernaut_verifications_total": `# HELP kubernaut_verifications_total Images that were verified, by result and format of the signature.
# TYPE kubernaut_verifications_total counter
kubernaut_verifications_total{format="bundle",result="allowed"} 1
kubernaut_verifications_total{format="none",result="refused"} 1
`,
		"kubernaut_verification_cache_total": `# HELP kubernaut_verification_cache_total Looks into the memory of verified images, by outcome.
# TYPE kubernaut_verification_cache_total counter
kubernaut_verification_cache_total{outcome="hit"} 2
`,
		"kubernaut_registry_requests_total": `# HELP kubernaut_registry_requests_total Requests to registries and their token servers, by what they are for.
# TYPE kubernaut_registry_requests_total counter
kubernaut_registry_requests_total{kind="manifest"} 1
`} {
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want), name); err != nil {
			t.Error(err)
		}
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	if _, err := NewMetrics(registry); err == nil {
		t.Error("the same metrics are registered twice")
	}
}

// Every metric is in the table that people read.
func TestMetricsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/spec/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range m.descriptions() {
		if !strings.Contains(string(page), "| `"+d+"` |") {
			t.Errorf("docs/spec/metrics.md has no line for %s", d)
		}
	}
}

// descriptions lists the names of all metrics.
func (m *Metrics) descriptions() []string {
	var names []string
	for _, c := range m.all() {
		all := make(chan *prometheus.Desc, 1)
		c.Describe(all)
		_, name, _ := strings.Cut((<-all).String(), `fqName: "`)
		name, _, _ = strings.Cut(name, `"`)
		names = append(names, name)
	}
	return names
}
