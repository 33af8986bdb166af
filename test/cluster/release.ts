// The chart as its user installs it: helm, one file of values, and what NOTES says to type next.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireCommand } from '../harness/command.ts';
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

  /** `kind/name` of all that the release has in its namespace, whoever made it. */
  async objects(): Promise<readonly string[]> {
    const kinds = (await this.#cluster.kubectl('api-resources', '--namespaced', '--verbs=list', '--output', 'name'))
      .split('\n')
      .filter((kind) => kind !== '' && !/^events(\.|$)|^(endpoints|endpointslices|controllerrevisions|replicasets|pods)(\.|$)/.test(kind));
    const found = await this.#cluster.list<KubeObject>(
      this.namespace,
      kinds.join(','),
      `app.kubernetes.io/instance=${this.name}`,
    );
    return found.map(({ kind, metadata }) => `${kind.toLowerCase()}/${metadata.name}`).sort();
  }

  selector(component: string): string {
    return `app.kubernetes.io/instance=${this.name},app.kubernetes.io/component=${component}`;
  }

  async #helm(...words: readonly string[]): Promise<string> {
    return requireCommand(kubeProgram('helm'), [...words, '--namespace', this.namespace]);
  }
}

/** The lines of the notes that are commands of this kind, as they are to be typed. */
export function commandsIn(notes: string, program: string): readonly string[] {
  const joined = notes.replaceAll(/\\\n\s*/g, '');
  return joined
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith(`${program} `));
}
