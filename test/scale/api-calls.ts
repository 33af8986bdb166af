// What the controller asked of the API server, as the API server wrote it down.

import { readFile } from 'node:fs/promises';
import { residentMebibytes } from '../bench/meter.ts';
import type { KubeApiServer } from '../harness/kube-api-server.ts';
import { figure } from './report.ts';

interface AuditEvent {
  readonly stage: string;
  readonly verb: string;
  readonly objectRef?: { readonly resource?: string };
  readonly responseStatus?: { readonly code?: number };
}

const WRITES: ReadonlySet<string> = new Set(['create', 'update', 'patch', 'delete']);

export interface ApiCalls {
  readonly reads: number;
  readonly watches: number;
  readonly writes: number;
  /** Of these writes: what, and how many. */
  readonly written: string;
  /** Of the lease, which its holder renews for ever, whatever there is to do. */
  readonly lease: number;
  /** Answers with a status of 429: the server held it back. */
  readonly heldBack: number;
}

export class ApiCallCounter {
  readonly #server: KubeApiServer;
  #counted = 0;

  constructor(server: KubeApiServer) {
    this.#server = server;
  }

  /** Those since the last time that it was asked. */
  async take(): Promise<ApiCalls> {
    const lines = (await readFile(this.#server.auditLogPath, 'utf8')).split('\n');
    const fresh = lines.slice(this.#counted, -1).map((line) => JSON.parse(line) as AuditEvent);
    this.#counted = lines.length - 1;
    const count = (holds: (event: AuditEvent) => boolean): number => fresh.filter(holds).length;
    // A watch is told when it begins and when it ends, everything else once.
    const isCall = (event: AuditEvent): boolean => (event.verb === 'watch') === (event.stage === 'ResponseStarted');
    const isLease = ({ objectRef }: AuditEvent): boolean => objectRef?.resource === 'leases';
    const of = (...verbs: readonly string[]): number =>
      count((event) => isCall(event) && !isLease(event) && verbs.includes(event.verb));
    const written = new Map<string, number>();
    for (const event of fresh.filter((one) => isCall(one) && !isLease(one) && WRITES.has(one.verb))) {
      const what = `${event.verb} ${event.objectRef?.resource}`;
      written.set(what, (written.get(what) ?? 0) + 1);
    }
    return {
      reads: of('get', 'list'),
      watches: of('watch'),
      writes: of(...WRITES),
      written: [...written].map(([what, times]) => `${times} × ${what}`).join(', '),
      lease: count((event) => isCall(event) && isLease(event)),
      heldBack: count(({ responseStatus }) => responseStatus?.code === 429),
    };
  }
}

export function tellCalls({ reads, watches, writes, lease, heldBack }: ApiCalls): string {
  const held = heldBack === 0 ? '' : `, ${heldBack} held back`;
  return `${reads} reads, ${watches} watches, ${writes} writes, ${lease} for the lease${held}`;
}

export async function tellServer(server: KubeApiServer): Promise<string> {
  const stored = (await server.storedBytes()) / 1024 ** 2;
  return `the API server has ${figure(residentMebibytes(server.serverPid))} MiB resident, etcd ${figure(stored)} MiB on disk`;
}
