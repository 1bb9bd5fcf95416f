package main

import (
	"fmt"
	"path/filepath"
)

// configure writes every configuration file.
func (l *lab) configure() error {
	for file, who := range map[string]string{
		"kubeconfig": "admin", "kubelet.kubeconfig": "kubelet", "controller-manager.kubeconfig": "controller-manager",
		"scheduler.kubeconfig": "scheduler", "proxy.kubeconfig": "proxy",
	} {
		if err := l.kubeconfig(file, who); err != nil {
			return err
		}
	}
	for file, text := range map[string]string{
		"containerd.toml": l.containerd(), "cni/10-lab.conflist": cni(), "kubelet.yaml": l.kubelet(), "audit.yaml": audit(), "Corefile": l.corefile(),
		filepath.Join("certs.d", bridgeIP+":5000", "hosts.toml"): fmt.Sprintf("server = \"http://%[1]s:5000\"\n[host.\"http://%[1]s:5000\"]\n  capabilities = [\"pull\", \"resolve\"]\n", bridgeIP),
	} {
		if err := l.write(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// containerd sets restrict_oom_score_adj, without which a root that lacks
// CAP_SYS_RESOURCE cannot start any sandbox.
func (l *lab) containerd() string {
	return fmt.Sprintf(`version = 2
root = %q
state = %q
[grpc]
  address = %q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "%s:5000/lab/pause:v1"
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
`, l.path("containerd", "root"), l.path("containerd", "state"), l.path("containerd.sock"), bridgeIP, l.path("cni"), l.path("certs.d"))
}

func cni() string {
	return fmt.Sprintf(`{"cniVersion": "0.4.0", "name": "kubernaut-lab", "plugins": [
  {"type": "bridge", "bridge": %q, "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": %q, "rangeStart": "10.88.0.10"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}
]}
`, bridge, podCIDR)
}

func (l *lab) kubelet() string {
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
`, bridgeIP, l.path("pki/ca.crt"), l.path("pki/apiserver.crt"), l.path("pki/apiserver.key"), l.path("containerd.sock"))
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

func (l *lab) corefile() string {
	return fmt.Sprintf(`.:53 {
  bind %s
  errors
  kubernetes cluster.local {
    kubeconfig %s
  }
}
`, bridgeIP, l.path("kubeconfig"))
}
