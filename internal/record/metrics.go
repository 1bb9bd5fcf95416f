package record

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kubernaut/kubernaut/internal/verify"
)

// Metrics of what the controller does beside reconciling. All labels have few
// values: no name that a user or a registry chooses is one.
type Metrics struct {
	verifications *prometheus.CounterVec
	duration      *prometheus.HistogramVec
	cache         *prometheus.CounterVec
	requests      *prometheus.CounterVec
}

// NewMetrics registers the metrics; an error says which name is taken.
func NewMetrics(to prometheus.Registerer) (*Metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		verifications: counter("kubernaut_verifications_total", "Images that were verified, by result and format of the signature.", "result", "format"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "kubernaut_verification_duration_seconds", Help: "How long a caller waited for the verification of an image.",
			// From an answer that was remembered to a registry that does not answer.
			Buckets: []float64{.0001, .001, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"result"}),
		cache:    counter("kubernaut_verification_cache_total", "Looks into the memory of verified images, by outcome.", "outcome"),
		requests: counter("kubernaut_registry_requests_total", "Requests to registries and their token servers, by what they are for.", "kind"),
	}
	for _, c := range m.all() {
		if err := to.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

func (m *Metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.verifications, m.duration, m.cache, m.requests}
}

// Verified counts one verification; see verify.Measured.
func (m *Metrics) Verified(a verify.Attempt) {
	m.verifications.WithLabelValues(string(a.Verdict), a.Format).Inc()
	m.duration.WithLabelValues(string(a.Verdict)).Observe(a.Took.Round(time.Microsecond).Seconds())
}

// Cached counts one look into the cache; see verify.CacheOptions.
func (m *Metrics) Cached(o verify.Outcome) { m.cache.WithLabelValues(string(o)).Inc() }

// Requested counts one request to a registry; see image.Options.
func (m *Metrics) Requested(kind string) { m.requests.WithLabelValues(kind).Inc() }
