// Two registries of one manager: what one of them has just answered, the other knows, whichever a caller reaches next.

import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { createCertificateRequest, createPrivateKeyPem } from '@lms/identity';
import {
  CompleteOperationRequest,
  CreateOperationRequest,
  CreateTokenRequest,
  EnrolMachineRequest,
  HeartbeatMachineRequest,
  OperationKind,
  RegistryService,
  TokenPurpose,
} from '@lms/proto';
import { createRegistryService, type RegistryServiceModule } from '@lms/registry';
import { createRpcClient } from '@lms/rpc';
import { TestRegistry, type RegistryClient } from '../harness/registry.ts';

jest.setTimeout(120_000);

/** The other one is behind by less than a millisecond, mostly: many times, to be there when it is. */
const TIMES = 100;

let registry: TestRegistry;
let second: RegistryServiceModule;
let one: RegistryClient;
let other: RegistryClient;
let csrPem: string;

beforeAll(async () => {
  registry = await TestRegistry.start();
  second = createRegistryService({
    listen: '127.0.0.1:0',
    tls: await registry.services.service('registry'),
    events: registry.nats.options,
    caDirectory: registry.caDirectory,
    natsPidFile: null,
  });
  await second.start(new AbortController().signal);
  one = await registry.client();
  const tls = await registry.services.service('gateway');
  other = createRpcClient(RegistryService, { address: second.address, component: 'registry', tls });
  csrPem = await createCertificateRequest(await createPrivateKeyPem());
});
afterAll(async () => {
  other.close();
  await second.stop();
  await registry[Symbol.asyncDispose]();
});

const disks = [{ diskId: 'serial-1', sizeBytes: 10n ** 12n, device: '/dev/sda' }];

test('a token of one is taken by the other, and a machine of one is known to the other', async () => {
  for (let time = 0; time < TIMES; time += 1) {
    const wanted = { purpose: TokenPurpose.MACHINE, uses: 1, expiresInSeconds: 60, name: 'test' };
    const { secret } = await one.createToken(CreateTokenRequest.fromPartial(wanted));
    const name = `machine-${time}`;
    const enrolled = await other.enrolMachine({
      ...EnrolMachineRequest.fromPartial({ token: secret, name, agentVersion: '1', disks }),
      csrPem,
    });
    const { machineId } = enrolled;
    const { machine } = await one.heartbeatMachine(
      HeartbeatMachineRequest.fromPartial({ machineId, name, agentVersion: '1', disks }),
    );
    expect(machine?.name).toBe(name);
  }
});

test('an operation that one has taken is found at the other', async () => {
  const { machines } = await one.listMachines({ pageSize: 1, pageToken: '' });
  const idOrName = machines[0]?.machineId ?? '';
  for (let time = 0; time < TIMES; time += 1) {
    const wanted = { idOrName, kind: OperationKind.CREATE_POINT, timeoutSeconds: 1, idempotencyKey: `key-${time}` };
    const { operation } = await one.createOperation(CreateOperationRequest.fromPartial(wanted));
    const operationId = operation?.operationId ?? '';
    const found = await other.getOperation({ operationId, waitMilliseconds: 0 });
    expect(found.operation?.operationId).toBe(operationId);
    const failed = { operationId, machineIds: [idOrName], succeeded: false, errorCode: 'ABORTED' };
    await one.completeOperation(CompleteOperationRequest.fromPartial(failed));
  }
});
