// Where a program of Kubernetes, or for it, is found: where the environment says, where `make setup` built it, or where the tool for
// one-node clusters keeps its own.

import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

const SETUP_FOLDER = join(import.meta.dirname, '../../.tools/kubernetes');
const CACHE_FOLDER = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
const CLUSTER_FOLDER = join(CACHE_FOLDER, 'one-node-cluster/bin');

export type KubeProgram =
  'etcd' | 'helm' | 'kube-apiserver' | 'kube-controller-manager' | 'kube-scheduler' | 'kubeconform' | 'kubectl';

export function kubeProgram(name: KubeProgram): string {
  const folders = [process.env['KUBEBUILDER_ASSETS'], SETUP_FOLDER, CLUSTER_FOLDER];
  for (const folder of folders) {
    if (folder === undefined || folder === '') continue;
    const program = join(folder, name);
    if (existsSync(program)) return program;
  }
  throw new Error(`there is no ${name}: run make setup, or set KUBEBUILDER_ASSETS to the folder that holds it`);
}
