package cluster

import (
	"fmt"
	"path/filepath"

	"github.com/kubernaut/kubernaut/test/lab/internal/images"
	"github.com/kubernaut/kubernaut/test/lab/internal/pki"
	"github.com/kubernaut/kubernaut/test/lab/internal/place"
)

// Configure writes every configuration file.
func (c Cluster) Configure() error {
	for file, who := range map[string]string{
		"kubeconfig": "admin", "kubelet.kubeconfig": "kubelet", "controller-manager.kubeconfig": "controller-manager",
		"scheduler.kubeconfig": "scheduler", "proxy.kubeconfig": "proxy",
		"policy-controller.kubeconfig": "policy-controller",
	} {
		if err := pki.Kubeconfig(c.Place, file, who); err != nil {
			return err
		}
	}
	for file, text := range map[string]string{
		"containerd.toml": c.containerd(), "cni/10-lab.conflist": cni(), "kubelet.yaml": c.kubelet(), "audit.yaml": audit(), "Corefile": c.corefile(),
		filepath.Join("certs.d", place.Registry, "hosts.toml"): fmt.Sprintf("server = \"http://%[1]s\"\n[host.\"http://%[1]s\"]\n  capabilities = [\"pull\", \"resolve\"]\n", place.Registry),
	} {
		if err := c.Place.Write(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// containerd sets restrict_oom_score_adj, without which a root that lacks
// CAP_SYS_RESOURCE cannot start any sandbox.
func (c Cluster) containerd() string {
	return fmt.Sprintf(`version = 2
root = %q
state = %q
[grpc]
  address = %q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = %q
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = %q
`, c.Place.Path("containerd", "root"), c.Place.Path("containerd", "state"), c.Place.Path("containerd.sock"), images.Ref("pause"), c.Place.Path("cni"), c.Place.Path("certs.d"))
}

func cni() string {
	return fmt.Sprintf(`{"cniVersion": "0.4.0", "name": %q, "plugins": [
  {"type": "bridge", "bridge": %q, "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": %q, "rangeStart": "10.88.0.10"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}
]}
`, place.Network, place.Bridge, place.PodCIDR)
}

func (c Cluster) kubelet() string {
	return fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: %[1]s
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: %[2]s}}
authorization: {mode: Webhook}
tlsCertFile: %[3]s
tlsPrivateKeyFile: %[4]s
containerRuntimeEndpoint: unix://%[5]s
cgroupDriver: cgroupfs
failCgroupV1: false
localStorageCapacityIsolation: false
enforceNodeAllocatable: []
clusterDNS: [%[1]s]
clusterDomain: cluster.local
resolvConf: /etc/resolv.conf
serializeImagePulls: false
registryPullQPS: 0
eventRecordQPS: 0
maxPods: 240
failSwapOn: false
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: "0%%", nodefs.available: "0%%", nodefs.inodesFree: "0%%", imagefs.available: "0%%"}
syncFrequency: 10s
`, place.IP, c.Place.Path("pki/ca.crt"), c.Place.Path("pki/apiserver.crt"), c.Place.Path("pki/apiserver.key"), c.Place.Path("containerd.sock"))
}

func audit() string {
	return `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  verbs: [get, list, watch]
  users: ["system:kube-scheduler", "system:kube-proxy", "system:apiserver", "system:kube-controller-manager"]
- level: Metadata
`
}

// corefile knows the cluster's names and answers all others with "no such
// name", since nothing outside can be reached.
func (c Cluster) corefile() string {
	return fmt.Sprintf(`.:53 {
  bind %s
  errors
  cache 5
  kubernetes cluster.local {
    kubeconfig %s
    ttl 2
  }
  template ANY ANY {
    rcode NXDOMAIN
  }
}
`, place.IP, c.Place.Path("kubeconfig"))
}
