package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// components lists the lab's processes in the order in which they start.
func (l *lab) components() []component {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	bin := func(name string) string { return filepath.Join(l.binary(kubernetes()), name) }
	return []component{
		{name: "registry", path: self, args: []string{"serve-registry"}, ready: web("http://" + bridgeIP + ":5000/v2/"), finish: l.pushPause},
		{name: "containerd", path: "containerd", args: []string{"--config", l.path("containerd.toml")}, ready: socket(l.path("containerd.sock"))},
		{name: "etcd", path: bin("etcd"), args: []string{"--data-dir", l.path("etcd"), "--unsafe-no-fsync",
			"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
			"--listen-peer-urls=http://127.0.0.1:2380"}, ready: web("http://127.0.0.1:2379/health")},
		{name: "kube-apiserver", path: bin("kube-apiserver"), args: l.apiserver(), ready: l.api("https://" + bridgeIP + ":6443/readyz")},
		{name: "kube-controller-manager", path: bin("kube-controller-manager"), args: l.controllerManager(), ready: l.api("https://127.0.0.1:10257/healthz")},
		{name: "kube-scheduler", path: bin("kube-scheduler"), args: []string{
			"--kubeconfig", l.path("scheduler.kubeconfig"), "--leader-elect=false", "--kube-api-qps=1000", "--kube-api-burst=1000",
			"--tls-cert-file", l.path("pki/apiserver.crt"), "--tls-private-key-file", l.path("pki/apiserver.key")},
			ready: l.api("https://127.0.0.1:10259/healthz")},
		{name: "kubelet", path: bin("kubelet"), args: []string{"--kubeconfig", l.path("kubelet.kubeconfig"), "--config", l.path("kubelet.yaml"),
			"--hostname-override", node, "--node-ip", bridgeIP, "--root-dir", l.path("kubelet"), "--cert-dir", l.path("pki")},
			ready: web("http://127.0.0.1:10248/healthz"), finish: l.nodeReady},
		{name: "kube-proxy", path: bin("kube-proxy"), args: []string{"--kubeconfig", l.path("proxy.kubeconfig"), "--hostname-override", node,
			"--cluster-cidr", podCIDR, "--proxy-mode=iptables", "--conntrack-max-per-core=0", "--conntrack-min=0"},
			ready: web("http://127.0.0.1:10256/livez")},
		{name: "coredns", path: filepath.Join(l.binary(program1(l, "coredns")), "coredns"), args: []string{"-conf", l.path("Corefile")}, ready: dial(bridgeIP + ":53")},
		{name: "provisioner", path: self, args: []string{"serve-provisioner"}, ready: func(context.Context) error { return nil }},
		{name: "forge", path: filepath.Join(l.binary(gitea()), "gitea"), args: []string{"web", "--config", l.path("forge", "app.ini")},
			env: []string{"HOME=" + l.path("forge"), "USER=nobody"}, nobody: true, prepare: l.prepareForge,
			ready: web("http://" + bridgeIP + ":3000/api/v1/version"), finish: l.forgeUser},
	}
}

func program1(l *lab, name string) program {
	for _, p := range l.binaries() {
		if p.name == name {
			return p
		}
	}
	return program{name: name}
}

func (l *lab) apiserver() []string {
	return []string{
		"--advertise-address", bridgeIP, "--secure-port=6443", "--etcd-servers=http://127.0.0.1:2379",
		"--service-cluster-ip-range=10.96.0.0/16", "--allow-privileged",
		"--client-ca-file", l.path("pki/ca.crt"), "--tls-cert-file", l.path("pki/apiserver.crt"), "--tls-private-key-file", l.path("pki/apiserver.key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file", l.path("pki/sa.pub"), "--service-account-signing-key-file", l.path("pki/sa.key"),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--kubelet-client-certificate", l.path("pki/apiserver-kubelet.crt"), "--kubelet-client-key", l.path("pki/apiserver-kubelet.key"),
		"--kubelet-certificate-authority", l.path("pki/ca.crt"), "--kubelet-preferred-address-types=InternalIP",
		"--requestheader-client-ca-file", l.path("pki/ca.crt"), "--requestheader-allowed-names=front-proxy",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file", l.path("pki/front-proxy.crt"), "--proxy-client-key-file", l.path("pki/front-proxy.key"),
		"--audit-policy-file", l.path("audit.yaml"), "--audit-log-path", l.path("log", "audit.log"), "--audit-log-maxsize=100", "--audit-log-maxbackup=2",
	}
}

func (l *lab) controllerManager() []string {
	return []string{
		"--kubeconfig", l.path("controller-manager.kubeconfig"), "--leader-elect=false", "--use-service-account-credentials",
		"--service-account-private-key-file", l.path("pki/sa.key"), "--root-ca-file", l.path("pki/ca.crt"),
		"--cluster-signing-cert-file", l.path("pki/ca.crt"), "--cluster-signing-key-file", l.path("pki/ca.key"),
		// The defaults let the Job controller start three to four Jobs a second.
		"--kube-api-qps=1000", "--kube-api-burst=1000", "--concurrent-job-syncs=50",
		"--tls-cert-file", l.path("pki/apiserver.crt"), "--tls-private-key-file", l.path("pki/apiserver.key"),
	}
}

// web asks a URL and wants any answer below 500.
func web(url string) func(context.Context) error {
	return ask(&http.Client{Timeout: 2 * time.Second}, url)
}

func ask(c *http.Client, url string) func(context.Context) error {
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode >= 300 {
			return fmt.Errorf("%s answers %s", url, resp.Status)
		}
		return nil
	}
}

// api asks a URL of the control plane as the administrator.
func (l *lab) api(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		pair, err := tls.LoadX509KeyPair(l.path("pki/admin.crt"), l.path("pki/admin.key"))
		if err != nil {
			return err
		}
		ca, err := os.ReadFile(l.path("pki/ca.crt"))
		if err != nil {
			return err
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(ca)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}, DisableKeepAlives: true}
		return ask(&http.Client{Timeout: 2 * time.Second, Transport: transport}, url)(ctx)
	}
}

func socket(path string) func(context.Context) error { return dialer("unix", path) }

func dial(address string) func(context.Context) error { return dialer("tcp", address) }

func dialer(network, address string) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, address)
		if err != nil {
			return err
		}
		return c.Close()
	}
}
