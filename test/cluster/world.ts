// One installation and its source machines, made once for all steps of the story, and put away at its end.

import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { Agent } from '../harness/agent.ts';
import { Cleanup } from '../harness/cleanup.ts';
import { waitFor } from '../harness/condition.ts';
import { LoopDisk } from '../harness/loop-disk.ts';
import { Operator } from '../harness/operator.ts';
import type { Place } from '../harness/place.ts';
import { Cluster } from './cluster.ts';
import { Release } from './release.ts';
import type { Values } from './release.ts';
import { createOutside } from './outside.ts';
import { TraceReceiver } from './trace-receiver.ts';

export const MANAGER_HOST = 'manager.lms.test';
const TRACES_HOST = 'traces.lms.test';
const INGRESS_CLASS = process.env['LMS_CLUSTER_INGRESS_CLASS'] ?? 'contour';
const NAMESPACE = 'lms-test';
const SMALL = { requests: { cpu: '10m', memory: '64Mi' } };
const RETRY_MILLISECONDS = 240_000;

export interface SourceMachine {
  readonly agent: Agent;
  readonly disk: LoopDisk;
  /** Where the disk is mounted. */
  readonly mountPoint: string;
  readonly stateFolder: string;
}

export class World {
  readonly folder = mkdtempSync(join(tmpdir(), 'lms-cluster-'));
  readonly logFolder = join(this.folder, 'logs');
  readonly cleanup = new Cleanup();
  readonly cluster = Cluster.fromEnvironment();
  readonly release = new Release({ cluster: this.cluster, name: 'lms', namespace: NAMESPACE, folder: this.folder });
  readonly contextPath = join(this.folder, 'operator.json');
  #place: Place | null = null;
  #ownAddress: string | null = null;
  #traces: TraceReceiver | null = null;

  constructor() {
    mkdirSync(this.logFolder);
    this.cleanup.add('remove the folder', () => rmSync(this.folder, { recursive: true, force: true }));
  }

  get operator(): Operator {
    return new Operator({ contextPath: this.contextPath, place: this.place });
  }

  get place(): Place {
    return required(this.#place);
  }

  /** Of the source machines, as the cluster sees it; null: not known. */
  get ownAddress(): string | null {
    return this.#ownAddress;
  }

  get traces(): TraceReceiver {
    return required(this.#traces);
  }

  /** The namespace with Pod Security enforced, the network outside, and the receiver of traces. */
  async begin(image: string): Promise<void> {
    const { cluster, folder, cleanup } = this;
    cleanup.add(`delete the namespace ${NAMESPACE}`, async () => {
      await cluster.kubectl('delete', 'namespace', NAMESPACE, '--ignore-not-found', '--timeout', '180s');
    });
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: NAMESPACE, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
    });
    const outside = await createOutside({
      network: cluster.network,
      address: cluster.address,
      names: [MANAGER_HOST, TRACES_HOST],
      folder,
      cleanup,
    });
    this.#place = outside.place;
    this.#ownAddress = outside.ownAddress;
    this.#traces = await TraceReceiver.create({
      cluster,
      namespace: NAMESPACE,
      image,
      host: TRACES_HOST,
      ingressClass: INGRESS_CLASS,
    });
  }

  values(further: Values): Values {
    return {
      gateway: {
        host: MANAGER_HOST,
        ingress: {
          enabled: true,
          className: INGRESS_CLASS,
          // Envoy gives a request 15 s; exports and long polls take longer.
          annotations: INGRESS_CLASS === 'contour' ? { 'projectcontour.io/response-timeout': 'infinity' } : {},
        },
      },
      replication: {
        exposure: { mode: 'router', host: this.cluster.address, port: 1500 },
        server: { resources: SMALL },
        ...(further['replication'] as object | undefined),
      },
      // Local: so that the router sees where connections come from. Two cores are enough for a test, not for these requests.
      router: {
        service: { type: 'LoadBalancer', externalIPs: [this.cluster.address], externalTrafficPolicy: 'Local' },
        haproxyResources: SMALL,
        resources: SMALL,
      },
      componentDefaults: { resources: SMALL },
      nats: { resources: SMALL },
      telemetry: { otlp: { endpoint: this.traces.endpointInside, protocol: 'http/json' } },
      image: further['image'],
    };
  }

  /** An ext4 disk, mounted. Its agent is not enrolled yet. */
  async sourceMachine(name: string, sizeMebibytes: number): Promise<SourceMachine> {
    const { folder, cleanup, logFolder } = this;
    const disk = await LoopDisk.create({ folder, name, sizeBytes: sizeMebibytes * 1024 * 1024, cleanup });
    await disk.format('ext4');
    const mountPoint = await disk.mount();
    const stateFolder = join(folder, `agent-${name}`);
    mkdirSync(stateFolder, { mode: 0o700 });
    const agent = new Agent({
      manager: this.operator,
      name,
      disks: [disk.device],
      stateFolder,
      logFolder,
      cleanup,
      environment: this.traces.environmentOutside,
      place: this.place,
    });
    return { agent, disk, mountPoint, stateFolder };
  }

  /** A point that is newer than this call, and its only disk as a raw image. */
  async exportNewPoint(machine: string): Promise<string> {
    const point = await this.persistently('a new point', () => this.operator.createPoint(machine, 'filesystem', '2m'));
    const [disk] = point.disks;
    if (disk === undefined) throw new Error(`point ${point.sequence} has no disk`);
    const image = join(this.folder, `${machine}-${point.sequence}.raw`);
    await this.persistently('the export', () => this.operator.exportDisk(machine, point.sequence, disk.id, image));
    return image;
  }

  /** A command that fails while something is killed under it is typed again. */
  async persistently<Answer>(what: string, attempt: () => Promise<Answer>): Promise<Answer> {
    const { answer } = await waitFor(what, async () => ({ answer: await attempt() }), {
      timeoutMilliseconds: RETRY_MILLISECONDS,
    });
    return answer;
  }

  /** Logs of everything that runs, and what the cluster says about it. */
  async keepEvidence(): Promise<void> {
    const { cluster, logFolder } = this;
    for (const pod of await cluster.pods(NAMESPACE, '')) {
      const { name } = pod.metadata;
      for (const previous of [false, true]) {
        const words = [
          'logs',
          name,
          '--namespace',
          NAMESPACE,
          '--all-containers',
          '--prefix',
          `--previous=${previous}`,
        ];
        const { stdout } = await cluster.tryKubectl(...words);
        if (stdout !== '') writeFileSync(join(logFolder, `${name}${previous ? '.previous' : ''}.log`), stdout);
      }
    }
    const { stdout: objects } = await cluster.tryKubectl(
      'get',
      'all,pvc,secrets,ingress,networkpolicies,events',
      '-n',
      NAMESPACE,
      '-o',
      'wide',
    );
    writeFileSync(join(logFolder, 'objects.txt'), objects);
    const { stdout: pods } = await cluster.tryKubectl('describe', 'pods', '-n', NAMESPACE);
    writeFileSync(join(logFolder, 'pods.txt'), pods);
    const evidence = process.env['LMS_EVIDENCE'];
    if (evidence !== undefined && existsSync(logFolder)) cpSync(logFolder, evidence, { recursive: true });
  }
}

function required<Value>(value: Value | null): Value {
  if (value === null) throw new Error('the world has not begun');
  return value;
}
