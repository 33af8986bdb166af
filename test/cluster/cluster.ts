// The cluster that KUBECONFIG names, by kubectl; and the ways to reach what lies below its API, which differ from cluster to
// cluster and are therefore told (docs/kubernetes-test.md):
//
//   LMS_CLUSTER_ADDRESS   where ingress controller (443) and router (1500) are reached from outside
//   LMS_CLUSTER_LOAD      a command that takes an image archive to the nodes; its file is appended
//   LMS_CLUSTER_NODE      a command that runs what follows as root inside the node
//   LMS_CLUSTER_NETWORK   a command that runs what follows in a network beside the cluster, from which the address is reached;
//                         empty: the network of this machine is one

import process from 'node:process';
import { requireCommand, runCommand } from '../harness/command.ts';
import type { CommandResult } from '../harness/command.ts';
import { waitFor } from '../harness/condition.ts';
import { kubeProgram } from '../harness/kube-programs.ts';

/** What tests look at of any object. */
export interface KubeObject {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
    readonly ownerReferences?: readonly object[];
  };
}

export interface Pod extends KubeObject {
  readonly spec: {
    readonly nodeName?: string;
    readonly containers: readonly { readonly name: string; readonly image: string }[];
  };
  readonly status: {
    readonly phase: string;
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

export class Cluster {
  readonly address: string;
  readonly network: readonly string[];
  readonly #load: readonly string[];
  readonly #node: readonly string[];

  private constructor(words: Record<'address' | 'load' | 'node' | 'network', string>) {
    this.address = words.address;
    this.#load = split(words.load);
    this.#node = split(words.node);
    this.network = split(words.network);
  }

  /** Throws what is missing: a cluster that cannot be tested is a failure. */
  static fromEnvironment(): Cluster {
    requireVariable('KUBECONFIG', 'name a cluster');
    return new Cluster({
      address: requireVariable('LMS_CLUSTER_ADDRESS', 'say where ingress controller and router are reached'),
      load: requireVariable('LMS_CLUSTER_LOAD', 'say how an image archive comes to the nodes'),
      node: requireVariable('LMS_CLUSTER_NODE', 'say how a command runs inside the node'),
      network: process.env['LMS_CLUSTER_NETWORK'] ?? '',
    });
  }

  async loadImages(archive: string): Promise<void> {
    const [program = '', ...words] = this.#load;
    await requireCommand(program, [...words, archive]);
  }

  /** A shell script, as root inside the node. */
  async onNode(script: string): Promise<string> {
    const [program = '', ...words] = this.#node;
    return requireCommand(program, [...words, 'sh', '-euc', script]);
  }

  async kubectl(...words: readonly string[]): Promise<string> {
    return requireCommand(kubeProgram('kubectl'), words);
  }

  async tryKubectl(...words: readonly string[]): Promise<CommandResult> {
    return runCommand(kubeProgram('kubectl'), words);
  }

  async apply(...objects: readonly object[]): Promise<void> {
    const list = { apiVersion: 'v1', kind: 'List', items: objects };
    await requireCommand(kubeProgram('kubectl'), ['apply', '--server-side', '-f', '-'], {
      input: JSON.stringify(list),
    });
  }

  async list<Kind extends KubeObject>(namespace: string, kinds: string, selector = ''): Promise<readonly Kind[]> {
    const words = ['get', kinds, '--namespace', namespace, '--selector', selector, '--output', 'json'];
    return (JSON.parse(await this.kubectl(...words)) as { items: Kind[] }).items;
  }

  async pods(namespace: string, selector: string): Promise<readonly Pod[]> {
    return (await this.list<Pod>(namespace, 'pods', selector)).filter(
      ({ metadata, status }) =>
        metadata.deletionTimestamp === undefined && !['Succeeded', 'Failed'].includes(status.phase),
    );
  }

  async waitForReadyPods(namespace: string, selector: string, count: number): Promise<readonly Pod[]> {
    return waitFor(
      `${count} ready pods of ${selector}`,
      async () => {
        const ready = (await this.pods(namespace, selector)).filter(isReady);
        return ready.length >= count ? ready : undefined;
      },
      { timeoutMilliseconds: 300_000 },
    );
  }
}

export function isReady({ status }: Pod): boolean {
  return status.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false;
}

function split(words: string): readonly string[] {
  return words.split(' ').filter((word) => word !== '');
}

function requireVariable(name: string, what: string): string {
  const value = process.env[name] ?? '';
  if (value === '') throw new Error(`${name} is not set: ${what} (docs/kubernetes-test.md)`);
  return value;
}
