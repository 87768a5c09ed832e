#!/usr/bin/env bash
# Process 1 of a node: gives it mounts of its own over the machine's files, then only reaps. When it dies the node is dead.
# By its environment: NODE, FOLDER (this node's files), NUMBER, API_SERVICE, API, CONTROLLERS (cgroup hierarchies, one a word).
set -euo pipefail
hostname "$NODE"
mount --make-rshared /

# The files of this node, on disk: the images' layers cannot lie on a tmpfs or an overlay.
for place in lib log; do
    mkdir -p "$FOLDER/$place"
    mount --bind "$FOLDER/$place" "/var/$place"
done
mkdir -p /var/lib/{containerd,kubelet,cni} /var/log/{pods,containers}
mount -t tmpfs -o mode=755 tmpfs /run

mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
for controllers in $CONTROLLERS; do
    folder="/sys/fs/cgroup/${controllers#name=}"
    mkdir "$folder"
    case $controllers in
        name=*) mount -t cgroup -o "none,$controllers" cgroup "$folder" ;;
        *) mount -t cgroup -o "$controllers" cgroup "$folder" ;;
    esac
    for one in ${controllers//,/ }; do [ -e "/sys/fs/cgroup/${one#name=}" ] || ln -s "$folder" "/sys/fs/cgroup/$one"; done
done

# cover FILE TEXT: the node sees TEXT there, the machine's own file stays.
cover() {
    local copy="/run/cover/$1"
    [ -e "$1" ] || return 0
    mkdir -p "$(dirname "$copy")"
    printf '%s' "$2" >"$copy"
    mount --bind "$copy" "$1"
}
cover /etc/hostname "$NODE"$'\n'
cover /etc/hosts $'127.0.0.1 localhost\n::1 localhost\n'
cover "$(readlink -f /etc/resolv.conf || true)" ""
cover /etc/machine-id "$(printf '%s' "$FOLDER" | sha256sum | cut -c1-32)"$'\n'

# The whole machine's settings that kubelet would change: it sees the values it wants and leaves the machine alone.
cover /proc/sys/vm/overcommit_memory $'1\n'
cover /proc/sys/vm/panic_on_oom $'0\n'
cover /proc/sys/kernel/panic $'10\n'
cover /proc/sys/kernel/panic_on_oops $'1\n'
cover /proc/sys/kernel/keys/root_maxkeys $'1000000\n'
cover /proc/sys/kernel/keys/root_maxbytes $'25000000\n'
mount --make-rshared /

echo 1 >/proc/sys/net/ipv4/ip_forward
# The API server's Service address works from the first moment, without kube-proxy.
for chain in OUTPUT PREROUTING; do
    iptables -w -t nat -A "$chain" -d "$API_SERVICE/32" -p tcp --dport 443 -j DNAT --to-destination "$API"
done

mkdir -p /run/cni /run/containerd /run/node
cat >/run/cni/10-bridge.conflist <<END
{"cniVersion": "0.4.0", "name": "nodes", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.$NUMBER.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
cat >/run/node/containerd.toml <<'END'
version = 2
[grpc]
address = "/run/containerd/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "localhost/pause:3.10"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "/run/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
END
touch /run/node/booted
while :; do
    sleep 3600 & # bash reaps whatever else ends meanwhile
    wait $! || true
done
