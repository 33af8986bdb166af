// What is done inside the node: processes of a pod killed, kubelet and containerd stopped and started, a volume of a fixed size.

import type { Cleanup } from '../harness/cleanup.ts';
import { waitFor } from '../harness/condition.ts';
import type { Cluster, KubeObject } from './cluster.ts';

/** SIGKILL to all processes of the pod at once, as if the kernel had run out of memory. The kubelet starts them again. */
export async function killProcessesOfPod(cluster: Cluster, uid: string): Promise<void> {
  // In the names of cgroups a systemd driver writes '_' for '-'.
  const names = `pod${uid}|pod${uid.replaceAll('-', '_')}`;
  await cluster.onNode(`
    for process in /proc/[0-9]*; do
      if grep -qsE '${names}' "$process/cgroup"; then kill -9 "\${process#/proc/}" 2>/dev/null || true; fi
    done`);
}

/** Returns what starts them again, as they were started. */
export async function stopKubeletAndContainerd(cluster: Cluster): Promise<() => Promise<void>> {
  if (
    (await cluster.onNode('command -v systemctl >/dev/null && systemctl is-active kubelet || true')).trim() === 'active'
  ) {
    await cluster.onNode('systemctl stop kubelet containerd');
    return async () => void (await cluster.onNode('systemctl start containerd kubelet'));
  }
  const commands = await cluster.onNode(`
    for name in kubelet containerd; do
      pid=$(pgrep -x "$name")
      # The environment too: KUBECONFIG and PATH of its own.
      printf '%s %s %s\\n' "$name" "$(base64 -w0 "/proc/$pid/cmdline")" "$(base64 -w0 "/proc/$pid/environ")"
      kill "$pid"
      while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
    done`);
  const programs = commands
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
    .toReversed();
  return async () => {
    for (const [name = '', words = '', variables = ''] of programs) {
      await cluster.onNode(startScript(name, words, variables));
      // A kubelet that finds no containerd ends.
      if (name === 'containerd') await waitFor('containerd to answer', () => answers(cluster, 'ctr version'));
    }
  };
}

async function answers(cluster: Cluster, command: string): Promise<boolean> {
  await cluster.onNode(`${command} > /dev/null`);
  return true;
}

/** Until every kubelet has said again that it lives: a node that is silent is called ready for a while. */
export async function waitForKubelets(cluster: Cluster, since: Date): Promise<void> {
  await waitFor(
    'the kubelets to say that they live',
    async () => {
      const leases = await cluster.list<KubeObject & { readonly spec: { readonly renewTime: string } }>(
        'kube-node-lease',
        'leases',
      );
      return leases.length > 0 && leases.every(({ spec }) => new Date(spec.renewTime) > since);
    },
    { timeoutMilliseconds: 120_000 },
  );
  await cluster.kubectl('wait', 'nodes', '--all', '--for', 'condition=Ready', '--timeout', '180s');
}

/** In the background, with the words and the environment that it had. */
function startScript(name: string, words: string, variables: string): string {
  const decoded = (text: string): readonly string[] =>
    Buffer.from(text, 'base64')
      .toString('utf8')
      .split('\0')
      .filter((part) => part !== '');
  const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
  const assignments = decoded(variables).map(quoted).join(' ');
  const command = decoded(words).map(quoted).join(' ');
  return `setsid env -i ${assignments} ${command} >> /var/log/${name}.log 2>&1 < /dev/null &`;
}

export interface FixedVolumeOptions {
  readonly cluster: Cluster;
  readonly cleanup: Cleanup;
  readonly name: string;
  readonly storageClass: string;
  readonly sizeMebibytes: number;
}

/**
 * A local PersistentVolume of a size that ends: in memory. On a loop device a replication server would refuse a source on the
 * same kernel, and rightly: from inside a pod nobody can tell what the loop's file stands on (R17).
 * Returns its folder inside the node.
 */
export async function createFixedVolume(options: FixedVolumeOptions): Promise<string> {
  const { cluster, cleanup, name, storageClass, sizeMebibytes } = options;
  const path = `/var/lib/${name}`;
  cleanup.add(`unmount ${path} inside the node`, async () => {
    await cluster.onNode(`if mountpoint -q ${path}; then umount ${path}; fi; rm -rf ${path}`);
  });
  await cluster.onNode(`mkdir -p ${path}; mount -t tmpfs -o size=${sizeMebibytes}m,mode=0777 ${name} ${path}`);
  cleanup.add(`delete the volume ${name}`, async () => {
    await cluster.tryKubectl('delete', 'persistentvolume', name, '--wait=false');
    await cluster.tryKubectl('delete', 'storageclass', storageClass);
  });
  const [node = ''] = (await cluster.kubectl('get', 'nodes', '--output', 'name')).trim().split('\n');
  const hostname = node.replace('node/', '');
  await cluster.apply(
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: storageClass },
      provisioner: 'kubernetes.io/no-provisioner',
      volumeBindingMode: 'WaitForFirstConsumer',
    },
    {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name },
      spec: {
        storageClassName: storageClass,
        capacity: { storage: '100Gi' },
        accessModes: ['ReadWriteOnce'],
        persistentVolumeReclaimPolicy: 'Retain',
        local: { path },
        nodeAffinity: {
          required: {
            nodeSelectorTerms: [
              { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [hostname] }] },
            ],
          },
        },
      },
    },
  );
  return path;
}
