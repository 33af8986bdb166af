/** The replication server's way to the manager by proxies: as installed, as the settings say, and over a restart. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { UNLIMITED } from '@lms/api';
import { ConnectProxy } from '../../harness/connect-proxy.ts';
import { TemporaryFolder } from '../harness/temporary-folder.ts';
import { until } from '../harness/until.ts';
import { ManagerDouble } from './manager-double.ts';
import { ServerProcess } from './server-process.ts';

const PASSWORD = 'open sesame';
const RIGHT = `Basic ${Buffer.from(`kim:${PASSWORD}`).toString('base64')}`;

test('everything goes by the proxy that it was installed with, then by that of the settings, one that fails never', async () => {
  await using folder = await TemporaryFolder.create();
  await using manager = await ManagerDouble.create();
  await using installed = await ConnectProxy.start({
    answer: (given) => (given === RIGHT ? null : 'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n'),
  });
  await using other = await ConnectProxy.start();
  await using dead = await ConnectProxy.start();
  await dead.stop();
  const passwordFile = join(folder.path, 'password');
  writeFileSync(passwordFile, `${PASSWORD}\n`);
  const options = ['--proxy', installed.url, '--proxy-user', 'kim', '--proxy-password-file', passwordFile];
  const ready = async (server: ServerProcess): Promise<void> => {
    const port = await server.port();
    await until('it is ready', () => manager.ready.find((report) => report.port === port));
  };
  const named = (url: string) => ({ url, username: null, password: null, noProxy: [], caPem: null });
  {
    await using server = await ServerProcess.start(manager, folder.path, options);
    await ready(server);
    expect(installed.asked.length).toBeGreaterThan(0);

    manager.set({ bandwidth: UNLIMITED, proxy: named(dead.url) });
    const refused = await until('the dead proxy is said', () =>
      server.lines.find((line) => String(line['message']).includes('the way of before stays')),
    );
    expect(refused['message']).toContain(dead.url);

    manager.set({ bandwidth: UNLIMITED, proxy: { ...named(other.url), username: 'ann', password: 'another secret' } });
    await until('the other proxy is taken', () =>
      server.find(`the manager is reached by the proxy ${other.url} from now on`),
    );
    await installed.stop();
    expect(other.asked.length).toBeGreaterThan(0);
    expect(JSON.stringify(server.lines)).not.toContain('secret');
    expect(await server.end('SIGTERM')).toBe(0);
  }
  const data = join(folder.path, 'data');
  expect(readFileSync(join(data, 'assignments.json'), 'utf8')).not.toContain('secret');
  expect(statSync(join(data, 'proxy.json')).mode & 0o777).toBe(0o600);
  {
    // The proxy that it was installed with is gone: it is the one of the settings that it starts with.
    await using again = await ServerProcess.start(manager, folder.path, options);
    await ready(again);
    expect(await again.end('SIGTERM')).toBe(0);
  }
});

test('a proxy that refuses at the first start ends it with what is wrong', async () => {
  await using folder = await TemporaryFolder.create();
  await using manager = await ManagerDouble.create();
  await using proxy = await ConnectProxy.start({
    answer: () => 'HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Negotiate\r\n\r\n',
  });
  await using server = await ServerProcess.start(manager, folder.path, ['--proxy', proxy.url]);
  await until('it ends', () => server.child.exitCode !== null);
  expect(server.child.exitCode).toBe(1);
  expect(JSON.stringify(server.lines)).toContain('only Basic is supported');
  expect(manager.enrolments).toBe(0);
});
