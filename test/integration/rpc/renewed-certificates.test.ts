/** Certificates in files that are replaced while a server and a client run: as a renewed secret comes into a pod. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { connect } from 'node:tls';
import { once } from 'node:events';
import { rename, symlink, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ComponentService } from '@lms/proto';
import { createRpcClient, readTlsMaterial, RpcServer, type TlsMaterial } from '@lms/rpc';
import { HEALTHY } from '@lms/service';
import { TestAuthority } from '../harness/certificates.ts';
import { TemporaryFolder } from '../harness/temporary-folder.ts';
import { until } from '../harness/until.ts';

jest.setTimeout(90_000);

const cleanUp: (() => Promise<void> | void)[] = [];
let folder: string;
let generations = 0;

beforeEach(async () => {
  const made = await TemporaryFolder.create();
  folder = made.path;
  cleanUp.push(() => made[Symbol.asyncDispose]());
});
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

/** As a kubelet does it: a new folder, and a link to it that is replaced by a rename. */
async function mountSecret(name: string, { caPem, certificatePem, privateKeyPem }: TlsMaterial) {
  const mount = join(folder, name);
  const generation = join(folder, `generation-${(generations += 1)}`);
  await mkdir(generation);
  await writeFile(join(generation, 'ca.crt'), caPem);
  await writeFile(join(generation, 'tls.crt'), certificatePem);
  await writeFile(join(generation, 'tls.key'), privateKeyPem, { mode: 0o600 });
  await symlink(generation, `${generation}-link`);
  await rename(`${generation}-link`, mount);
  return {
    LMS_TLS_CA: join(mount, 'ca.crt'),
    LMS_TLS_CERT: join(mount, 'tls.crt'),
    LMS_TLS_KEY: join(mount, 'tls.key'),
  };
}

async function startServer(tls: TlsMaterial) {
  const server = new RpcServer({ component: 'registry', listen: '127.0.0.1:0', tls, health: () => HEALTHY });
  await server.start();
  cleanUp.push(() => server.stop());
  return server;
}

/** What a new connection is shown. */
async function shownCertificate(address: string): Promise<string> {
  const [host, port] = address.split(':');
  const socket = connect({ host, port: Number(port), ALPNProtocols: ['h2'], rejectUnauthorized: false });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  const fingerprint = socket.getPeerX509Certificate()?.fingerprint256 ?? '';
  socket.destroy();
  return fingerprint;
}

test('a renewed certificate is shown to new connections, and the old ones go on', async () => {
  const authority = await TestAuthority.create();
  const files = await mountSecret('server', await authority.service('registry'));
  const server = await startServer(readTlsMaterial(files));
  const client = createRpcClient(ComponentService, {
    address: server.address,
    component: 'registry',
    tls: await authority.service('gateway'),
  });
  cleanUp.push(() => client.close());
  await client.describeComponent({});
  const first = await shownCertificate(server.address);

  await mountSecret('server', await authority.service('registry'));
  await until('the renewed one is shown', async () => (await shownCertificate(server.address)) !== first);
  expect((await client.describeComponent({})).component?.name).toBe('registry');
});

test('client and server find each other again when both got certificates of another CA', async () => {
  const before = await TestAuthority.create();
  const after = await TestAuthority.create();
  const serverFiles = await mountSecret('server', await before.service('registry'));
  const clientFiles = await mountSecret('client', await before.service('gateway'));
  const server = await startServer(readTlsMaterial(serverFiles));
  const { address } = server;
  const client = createRpcClient(ComponentService, {
    address,
    component: 'registry',
    tls: readTlsMaterial(clientFiles),
  });
  cleanUp.push(() => client.close());
  await client.describeComponent({});
  await mountSecret('server', await after.service('registry'));
  await mountSecret('client', await after.service('gateway'));
  // The old connection lives as long as its server: it is ended, so that a new one must be made.
  await server.stop();
  const second = new RpcServer({
    component: 'registry',
    listen: address,
    tls: readTlsMaterial(serverFiles),
    health: () => HEALTHY,
  });
  await second.start();
  cleanUp.push(() => second.stop());
  const { component } = await until('the client is accepted again', () => client.describeComponent({}));
  expect(component?.name).toBe('registry');
});
