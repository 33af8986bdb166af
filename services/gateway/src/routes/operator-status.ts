/**
 * `lms status`: one row for each component, asked of itself. What a component watches for the others (the registry NATS,
 * staging-controller the replication servers) comes with its answer; when it does not answer, that is not known either.
 */
import { COMPONENT_NAMES, Status } from '@lms/api';
import { toLmsError } from '@lms/errors';
import type { ComponentReport, DescribeComponentResponse } from '@lms/proto';
import { answers } from '../http/answers.ts';
import type { Application } from '../http/application.ts';
import type { ServiceClients } from '../manager-services.ts';
import { optionalText } from '../translation/values.ts';
import type { RouteContext } from './route-context.ts';

/** A component that needs longer to say how it is, is not well. */
const DEADLINE_MILLISECONDS = 3_000;
/** Who reports the rows of those that do not speak for themselves. */
const REPORTED_BY = { nats: 'registry', 'replication-server': 'staging-controller' } as const;

type Row = Status['components'][number];

export function addStatusRoute(application: Application, { clients, managerUrl }: RouteContext): void {
  application.get(
    '/v1/status',
    {
      config: { access: 'operator', withoutRegistry: true },
      schema: { summary: 'Health of the manager', response: answers(Status) },
    },
    async () => {
      const [components, blockStream] = await Promise.all([readComponents(clients), readBlockStream(clients)]);
      return { healthy: components.every((row) => row.healthy), managerUrl: managerUrl(), blockStream, components };
    },
  );
}

async function readComponents(clients: ServiceClients): Promise<Row[]> {
  const asked = [...clients.components].map(async ([name, client]) => [name, await describe(client)] as const);
  return componentRows(new Map(await Promise.all(asked)));
}

type Description = DescribeComponentResponse | { readonly error: string };

async function describe(
  client: ServiceClients['components'] extends ReadonlyMap<string, infer Client> ? Client : never,
) {
  try {
    return await client.describeComponent({}, { deadlineMilliseconds: DEADLINE_MILLISECONDS });
  } catch (thrown) {
    return { error: toLmsError(thrown).message };
  }
}

/** Rows in the order of `COMPONENT_NAMES`, further ones behind. */
export function componentRows(descriptions: ReadonlyMap<string, Description>): Row[] {
  const rows = new Map<string, Row>([['gateway', { name: 'gateway', pid: process.pid, healthy: true, detail: null }]]);
  for (const [name, description] of descriptions) {
    if ('error' in description) {
      rows.set(name, { name, pid: null, healthy: false, detail: `does not answer: ${description.error}` });
      continue;
    }
    if (description.component !== undefined) rows.set(name, rowOf({ ...description.component, name }));
    for (const dependency of description.dependencies) rows.set(dependency.name, rowOf(dependency));
  }
  for (const [name, reporter] of Object.entries(REPORTED_BY)) {
    if (rows.has(name)) continue;
    rows.set(name, { name, pid: null, healthy: false, detail: `not known: ${reporter} does not report it` });
  }
  const order = new Map<string, number>(COMPONENT_NAMES.map((name, index) => [name, index]));
  const position = (row: Row): number => order.get(row.name) ?? COMPONENT_NAMES.length;
  return [...rows.values()].sort((a, b) => position(a) - position(b));
}

function rowOf({ name, pid, healthy, detail }: ComponentReport): Row {
  return { name, pid: pid ?? null, healthy, detail: optionalText(detail) };
}

async function readBlockStream({ staging }: ServiceClients): Promise<string | null> {
  try {
    const { servers } = await staging.listReadyServers({}, { deadlineMilliseconds: DEADLINE_MILLISECONDS });
    const [first] = servers;
    if (first === undefined) return null;
    return first.address.includes(':') ? `[${first.address}]:${first.port}` : `${first.address}:${first.port}`;
  } catch {
    // The row of staging-controller says why.
    return null;
  }
}
