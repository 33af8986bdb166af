// The chart as its user installs it: helm, one file of values, and what NOTES says to type next.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from '../harness/command.ts';
import { kubeProgram } from '../harness/kube-programs.ts';
import type { Cluster, KubeObject } from './cluster.ts';

const CHART = join(import.meta.dirname, '../../charts/live-migration-service');
/** Pods of a first install wait for each other; images are there already. */
const WAIT = '8m';

export type Values = Readonly<Record<string, unknown>>;

export interface ReleaseOptions {
  readonly cluster: Cluster;
  readonly name: string;
  readonly namespace: string;
  readonly folder: string;
}

export class Release {
  readonly name: string;
  readonly namespace: string;
  readonly #cluster: Cluster;
  readonly #folder: string;
  #revision = 0;

  constructor({ cluster, name, namespace, folder }: ReleaseOptions) {
    this.name = name;
    this.namespace = namespace;
    this.#cluster = cluster;
    this.#folder = folder;
  }

  /** Installs it, or makes it so. Returns what helm printed: the notes. */
  async apply(values: Values): Promise<string> {
    const file = join(this.#folder, `values-${++this.#revision}.json`);
    writeFileSync(file, JSON.stringify(values));
    return this.#helm('upgrade', this.name, CHART, '--install', '--values', file, '--wait', '--timeout', WAIT);
  }

  /** `helm test`. Returns the logs of its pods. */
  async test(): Promise<string> {
    return this.#helm('test', this.name, '--logs', '--timeout', '5m');
  }

  /** Returns what it said. */
  async uninstall(): Promise<string> {
    return this.#helm('uninstall', this.name, '--wait', '--timeout', '5m');
  }

  /** `kind/name` of all that is in the namespace and somebody has put there. */
  async objects(): Promise<readonly string[]> {
    const kinds = (await this.#cluster.kubectl('api-resources', '--namespaced', '--verbs=list', '--output', 'name'))
      .split('\n')
      .filter((kind) => kind !== '' && !/^(events|pods)(\.|$)/.test(kind));
    const found = await this.#cluster.list<KubeObject>(this.namespace, kinds.join(','));
    return found
      .filter(({ metadata: { ownerReferences = [] } }) => ownerReferences.length === 0)
      .map(({ kind, metadata }) => `${kind.toLowerCase()}/${metadata.name}`)
      .sort();
  }

  selector(component: string): string {
    return `app.kubernetes.io/instance=${this.name},app.kubernetes.io/component=${component}`;
  }

  /** All that it said: results on stdout, what hooks say on stderr. */
  async #helm(...words: readonly string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await runCommand(kubeProgram('helm'), [
      ...words,
      '--namespace',
      this.namespace,
    ]);
    if (exitCode !== 0) throw new Error(`helm ${words.join(' ')}: exit code ${exitCode}: ${stderr}${stdout}`);
    return `${stdout}${stderr}`;
  }
}

/** The command of the notes that this is part of, as it is to be typed. */
export function commandIn(notes: string, part: string): string {
  const command = notes.split('\n').find((line) => line.includes(part));
  if (command === undefined) throw new Error(`the notes say nothing of ${part}`);
  return command.trim();
}
