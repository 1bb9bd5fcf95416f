package cluster

import (
	"path/filepath"

	"github.com/kubernaut/kubernaut/test/lab/internal/place"
	"github.com/kubernaut/kubernaut/test/lab/internal/proc"
)

// Components lists the cluster's processes in the order in which they start.
func (c Cluster) Components() []proc.Component {
	bin := func(name string) string { return filepath.Join(c.Bin, name) }
	return []proc.Component{
		{Name: "containerd", Path: "containerd", Args: []string{"--config", c.Place.Path("containerd.toml")}, Ready: socket(c.Place.Path("containerd.sock"))},
		{Name: "etcd", Path: bin("etcd"), Args: []string{"--data-dir", c.Place.Path("etcd"), "--unsafe-no-fsync",
			"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
			"--listen-peer-urls=http://127.0.0.1:2380"}, Ports: []string{"127.0.0.1:2379", "127.0.0.1:2380"},
			Ready: Web("http://127.0.0.1:2379/health"), Advice: etcdAdvice},
		{Name: "kube-apiserver", Path: bin("kube-apiserver"), Args: c.apiserver(), Ports: []string{place.IP + ":6443"},
			Ready: c.api("https://" + place.IP + ":6443/readyz")},
		{Name: "kube-controller-manager", Path: bin("kube-controller-manager"), Args: c.controllerManager(), Ports: []string{"127.0.0.1:10257"},
			Ready: c.api("https://127.0.0.1:10257/healthz")},
		{Name: "kube-scheduler", Path: bin("kube-scheduler"), Args: []string{
			"--kubeconfig", c.Place.Path("scheduler.kubeconfig"), "--leader-elect=false", "--kube-api-qps=1000", "--kube-api-burst=1000",
			"--tls-cert-file", c.Place.Path("pki/apiserver.crt"), "--tls-private-key-file", c.Place.Path("pki/apiserver.key")},
			Ports: []string{"127.0.0.1:10259"}, Ready: c.api("https://127.0.0.1:10259/healthz")},
		{Name: "kubelet", Path: bin("kubelet"), Args: []string{"--kubeconfig", c.Place.Path("kubelet.kubeconfig"), "--config", c.Place.Path("kubelet.yaml"),
			"--hostname-override", place.Node, "--node-ip", place.IP, "--root-dir", c.Place.Path("kubelet"), "--cert-dir", c.Place.Path("pki")},
			Ports: []string{place.IP + ":10250", "127.0.0.1:10248"}, Ready: Web("http://127.0.0.1:10248/healthz"), Finish: c.nodeReady},
		{Name: "kube-proxy", Path: bin("kube-proxy"), Args: []string{"--kubeconfig", c.Place.Path("proxy.kubeconfig"), "--hostname-override", place.Node,
			"--cluster-cidr", place.PodCIDR, "--proxy-mode=iptables", "--conntrack-max-per-core=0", "--conntrack-min=0"},
			Ports: []string{"127.0.0.1:10249", "127.0.0.1:10256"}, Ready: Web("http://127.0.0.1:10256/livez")},
		{Name: "coredns", Path: c.CoreDNS, Args: []string{"-conf", c.Place.Path("Corefile")}, Ports: []string{place.IP + ":53"},
			Ready: resolves("kubernetes.default.svc.cluster.local.", place.ServiceIP)},
	}
}

func (c Cluster) apiserver() []string {
	return []string{
		"--advertise-address", place.IP, "--secure-port=6443", "--etcd-servers=http://127.0.0.1:2379",
		"--service-cluster-ip-range", place.ServiceCIDR, "--allow-privileged",
		"--client-ca-file", c.Place.Path("pki/ca.crt"), "--tls-cert-file", c.Place.Path("pki/apiserver.crt"), "--tls-private-key-file", c.Place.Path("pki/apiserver.key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file", c.Place.Path("pki/sa.pub"), "--service-account-signing-key-file", c.Place.Path("pki/sa.key"),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--kubelet-client-certificate", c.Place.Path("pki/apiserver-kubelet.crt"), "--kubelet-client-key", c.Place.Path("pki/apiserver-kubelet.key"),
		"--kubelet-certificate-authority", c.Place.Path("pki/ca.crt"), "--kubelet-preferred-address-types=InternalIP",
		"--requestheader-client-ca-file", c.Place.Path("pki/ca.crt"), "--requestheader-allowed-names=front-proxy",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file", c.Place.Path("pki/front-proxy.crt"), "--proxy-client-key-file", c.Place.Path("pki/front-proxy.key"),
		"--audit-policy-file", c.Place.Path("audit.yaml"), "--audit-log-path", c.Place.Path("log", "audit.log"), "--audit-log-maxsize=100", "--audit-log-maxbackup=2",
	}
}

func (c Cluster) controllerManager() []string {
	return []string{
		"--kubeconfig", c.Place.Path("controller-manager.kubeconfig"), "--leader-elect=false", "--use-service-account-credentials",
		"--service-account-private-key-file", c.Place.Path("pki/sa.key"), "--root-ca-file", c.Place.Path("pki/ca.crt"),
		"--cluster-signing-cert-file", c.Place.Path("pki/ca.crt"), "--cluster-signing-key-file", c.Place.Path("pki/ca.key"),
		// The defaults let the Job controller start three to four Jobs a second.
		"--kube-api-qps=1000", "--kube-api-burst=1000", "--concurrent-job-syncs=50",
		"--tls-cert-file", c.Place.Path("pki/apiserver.crt"), "--tls-private-key-file", c.Place.Path("pki/apiserver.key"),
	}
}
