package harness

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Write is one request by which a controller changes an object.
type Write struct {
	// Verb is the HTTP method, Resource "jobs" or "actionexecutions/status".
	Verb, Resource, Name string
	// Code that the API server answered.
	Code int
}

func (w Write) String() string { return fmt.Sprintf("%s %s %s %d", w.Verb, w.Resource, w.Name, w.Code) }

// Proxy stands between one controller and the API server. It writes down what
// the controller writes in one namespace, and can lose the answers to it. Dry
// runs, reviews of rights, events and leases are no writes.
type Proxy struct {
	// URL is the address for the controller.
	URL string

	namespace string
	forward   *httputil.ReverseProxy
	server    *http.Server

	mu sync.Mutex
	// writes that were carried out, and those that the API server refused.
	writes, refused []Write
	judge           func(n int, w Write) Fate
	shut            bool
}

// Fate is what becomes of the answer to a write that the API server carried out.
type Fate int

// Delivered is the common fate. Lost is an answer that does not arrive, Shut
// one after which nothing at all goes through any more.
const (
	Delivered Fate = iota
	Lost
	Shut
)

// Proxy starts a proxy that knows the writes in a namespace; Close ends it. It
// shows the token of the controller's account, since clients show none to a
// server without TLS.
func (c *Controller) Proxy(namespace string) (*Proxy, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.config)
	if err != nil {
		return nil, err
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, err
	}
	target, err := url.Parse(config.Host)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{URL: "http://" + listener.Addr().String(), namespace: namespace}
	p.forward = &httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1,
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	p.server = &http.Server{Handler: p}
	go func() { _ = p.server.Serve(listener) }() // always an error: that of its end
	return p, nil
}

// Close ends the proxy and all that goes through it.
func (p *Proxy) Close() error { return p.server.Close() }

// Judge begins a new list of writes and asks judge after each that the API
// server carried out, with its number from 1 on, what becomes of the answer;
// no other write goes on meanwhile.
func (p *Proxy) Judge(judge func(n int, w Write) Fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.judge, p.writes, p.refused = judge, nil, nil
}

// Reopen ends what Shut began.
func (p *Proxy) Reopen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = false
}

// Writes returns the writes since Judge was called, in the order of their answers.
func (p *Proxy) Writes() []Write {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Write(nil), p.writes...)
}

// Refused returns the writes since Judge was called that changed nothing.
func (p *Proxy) Refused() []Write {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Write(nil), p.refused...)
}

// ServeHTTP implements http.Handler. Writes go through one after the other, so
// that "the n-th" means one moment.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if write, ok := p.writeOf(r); ok {
		p.write(w, r, write)
		return
	}
	if p.isShut() {
		panic(http.ErrAbortHandler)
	}
	p.forward.ServeHTTP(w, r)
}

func (p *Proxy) isShut() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shut
}

func (p *Proxy) write(w http.ResponseWriter, r *http.Request, write Write) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shut {
		panic(http.ErrAbortHandler)
	}
	// What has arrived is carried out, even if the controller goes away meanwhile.
	answer := &answer{header: http.Header{}}
	p.forward.ServeHTTP(answer, r.WithContext(context.WithoutCancel(r.Context())))
	write.Code = answer.code
	done := write.Code < http.StatusMultipleChoices
	if done {
		p.writes = append(p.writes, write)
	} else {
		p.refused = append(p.refused, write)
	}
	if done && p.judge != nil {
		fate := p.judge(len(p.writes), write)
		p.shut = fate == Shut
		if fate != Delivered {
			panic(http.ErrAbortHandler)
		}
	}
	for k, v := range answer.header {
		w.Header()[k] = v
	}
	w.WriteHeader(answer.code)
	_, _ = w.Write(answer.body) // a controller that is gone needs no answer
}

// writeOf reads a request; false if it is no write in the namespace.
func (p *Proxy) writeOf(r *http.Request) (Write, bool) {
	w := Write{Verb: r.Method}
	_, path, ok := strings.Cut(r.URL.Path, "/namespaces/"+p.namespace+"/")
	if r.Method == http.MethodGet || !ok || r.URL.Query().Get("dryRun") != "" {
		return w, false
	}
	parts := strings.Split(path, "/")
	w.Resource = parts[0]
	if len(parts) > 1 {
		w.Name = parts[1]
	}
	if len(parts) > 2 {
		w.Resource += "/" + parts[2]
	}
	none := w.Resource == "events" || w.Resource == "leases" || strings.HasSuffix(w.Resource, "reviews")
	return w, !none
}

// answer keeps an answer of the API server until it is known whether it is lost.
type answer struct {
	header http.Header
	code   int
	body   []byte
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(code int) { a.code = code }

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	a.body = append(a.body, b...)
	return len(b), nil
}
