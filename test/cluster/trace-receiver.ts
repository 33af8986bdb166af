// A collector of traces inside the cluster, for all that runs there and, by the ingress, for the agents outside.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ReceivedSpans } from '../harness/received-spans.ts';
import type { Cluster } from './cluster.ts';

const NAME = 'trace-receiver';
const PORT = 4318;

export interface TraceReceiverOptions {
  readonly cluster: Cluster;
  readonly namespace: string;
  /** With Node in it. */
  readonly image: string;
  /** The name that the ingress routes to it, without TLS. */
  readonly host: string;
  readonly ingressClass: string;
}

export class TraceReceiver {
  readonly #options: TraceReceiverOptions;

  private constructor(options: TraceReceiverOptions) {
    this.#options = options;
  }

  static async create(options: TraceReceiverOptions): Promise<TraceReceiver> {
    const { cluster, namespace } = options;
    await cluster.apply(...manifests(options));
    await cluster.kubectl('rollout', 'status', `deployment/${NAME}`, '--namespace', namespace, '--timeout', '120s');
    return new TraceReceiver(options);
  }

  get endpointInside(): string {
    return `http://${NAME}.${this.#options.namespace}.svc:${PORT}`;
  }

  /** For an agent outside. */
  get environmentOutside(): Readonly<Record<string, string>> {
    return {
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `http://${this.#options.host}/v1/traces`,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    };
  }

  /** All that have come until now. */
  async spans(): Promise<ReceivedSpans> {
    const { cluster, namespace } = this.#options;
    const path = `/api/v1/namespaces/${namespace}/services/${NAME}:${PORT}/proxy/traces`;
    const bodies = JSON.parse(await cluster.kubectl('get', '--raw', path)) as string[];
    const spans = new ReceivedSpans();
    for (const body of bodies) spans.take(body);
    return spans;
  }
}

function manifests({ namespace, image, host, ingressClass }: TraceReceiverOptions): object[] {
  const metadata = { name: NAME, namespace };
  const labels = { app: NAME };
  const program = readFileSync(join(import.meta.dirname, 'trace-receiver.fixture.ts'), 'utf8');
  const container = {
    name: NAME,
    image,
    imagePullPolicy: 'IfNotPresent',
    command: ['node', '/program/trace-receiver.ts'],
    ports: [{ containerPort: PORT }],
    readinessProbe: { tcpSocket: { port: PORT }, periodSeconds: 1 },
    volumeMounts: [{ name: 'program', mountPath: '/program' }],
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
  };
  const backend = { service: { name: NAME, port: { number: PORT } } };
  return [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'trace-receiver.ts': program } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            automountServiceAccountToken: false,
            securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
            containers: [container],
            volumes: [{ name: 'program', configMap: { name: NAME } }],
          },
        },
      },
    },
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: labels, ports: [{ port: PORT }] } },
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata,
      spec: {
        ingressClassName: ingressClass,
        rules: [{ host, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
      },
    },
  ];
}
