// How the driver `kubernetes` does with many machines on a real API server. Only objects are made; there is no kubelet that
// would start pods. Prints how long, how many calls, how much memory; then what a restart costs.

import { CoreV1Api } from '@kubernetes/client-node';
import { KubeApiServer } from '../harness/kube-api-server.ts';
import { ApiCallCounter, tellCalls, tellServer } from './api-calls.ts';
import {
  CONTROLLER_USER,
  createDriver,
  measureWork,
  memory,
  NAMESPACE,
  OBJECTS_PER_MACHINE,
  waitLong,
  wantedMachines,
} from './controller-process.ts';
import { say, sayHowBusy } from './report.ts';
import { withCleanup } from './with-cleanup.ts';

export async function measureController(parameters: readonly string[]): Promise<void> {
  const [count = 1_000, requestsPerSecond = 1_000] = parameters.map(Number);
  sayHowBusy();
  await withCleanup(async (cleanup) => {
    const server = await KubeApiServer.start({ audited: [CONTROLLER_USER] });
    cleanup.add('stop the API server', () => server[Symbol.asyncDispose]());
    await run(server, count, requestsPerSecond);
  });
}

async function run(server: KubeApiServer, count: number, requestsPerSecond: number): Promise<void> {
  const admin = server.adminConfig().makeApiClient(CoreV1Api);
  await admin.createNamespace({ body: { metadata: { name: NAMESPACE } } });
  say(`before: ${memory()}`);
  const calls = new ApiCallCounter(server);
  const wanted = wantedMachines(count);
  const kubeConfig = server.auditedConfig(CONTROLLER_USER, NAMESPACE);
  const first = createDriver({ kubeConfig, identity: 'first', requestsPerSecond });
  const made = await measureWork(async () => {
    await first.start();
    await waitLong('the driver to lead', () => first.leads);
    first.run(wanted);
    await waitLong('all objects', () => first.objects().length >= count * OBJECTS_PER_MACHINE);
  });
  say(`${count} machines made in ${made}; ${memory()}; ${tellCalls(await calls.take())}`);
  say(await tellServer(server));
  await first.stop();
  await calls.take();
  const restarted = await measureWork(async () => {
    const second = createDriver({ kubeConfig, identity: 'second', requestsPerSecond });
    await second.start();
    await waitLong('the driver to lead', () => second.leads);
    second.run(wanted);
    await waitLong('everything to be looked at', () => second.idle);
    await second.stop();
  });
  say(`restart: everything seen and planned again in ${restarted}; ${memory()}; ${tellCalls(await calls.take())}`);
}
