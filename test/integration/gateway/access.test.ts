import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { fetchManagerCa } from '@lms/api';
import {
  CertificateAuthority,
  createCertificateRequest,
  createPrivateKeyPem,
  makeAssertion,
  parseCertificate,
} from '@lms/identity';
import { TestGateway, never } from '../harness/gateway.ts';

jest.setTimeout(120_000);

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

test('the CA is fetched by its hash alone, and another hash is refused before anything is sent', async () => {
  const caPem = await fetchManagerCa(gateway.url, gateway.caSha256, never);
  expect(caPem).toBe(gateway.caPem);
  const upper = gateway.caSha256.toUpperCase().replaceAll(/(..)(?=.)/g, '$1:');
  await expect(fetchManagerCa(gateway.url, upper, never)).resolves.toBe(gateway.caPem);
  const wrong = fetchManagerCa(gateway.url, 'ab'.repeat(32), never);
  await expect(wrong).rejects.toMatchObject({ code: 'UNAUTHENTICATED', field: 'caSha256' });
  const noHash = fetchManagerCa(gateway.url, 'zz', never);
  await expect(noHash).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});

test('a client that does not know the CA does not speak to the gateway', async () => {
  const { OperatorApi } = await import('@lms/api');
  const options = { managerUrl: gateway.url, apiToken: gateway.apiToken, retries: 0 };
  const stranger = new OperatorApi({ ...options, caPem: null });
  await expect(stranger.status(never)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  await stranger.close();
  const absent = new OperatorApi({ ...options, managerUrl: 'https://127.0.0.1:9', caPem: gateway.caPem });
  await expect(absent.status(never)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await absent.close();
});

test('enrolling gives a certificate of the machine under the CA, and a used or wrong token gives none', async () => {
  const { answer } = await gateway.enrolAgent();
  const certificate = parseCertificate(answer.certificatePem);
  expect(certificate.subjectAltName).toBe(`URI:spiffe://${answer.trustDomain}/machine/${answer.machineId}`);
  expect(certificate.verify(parseCertificate(answer.caPem).publicKey)).toBe(true);

  const { token } = await gateway.operator.createToken({}, never);
  const first = await gateway.enrolment(token);
  expect((await gateway.send('POST', '/v1/agent/enrol', { body: first.request })).status).toBe(200);
  const second = await gateway.enrolment(token);
  const refused = await gateway.send('POST', '/v1/agent/enrol', { body: second.request });
  expect(refused).toMatchObject({ status: 401, body: { code: 'UNAUTHENTICATED', field: 'token' } });
  expect(refused.headers['content-type']).toMatch('application/problem+json');
  const wrong = await gateway.enrolment('lms_join_wrong');
  const unknown = await gateway.send('POST', '/v1/agent/enrol', { body: wrong.request });
  expect(unknown).toMatchObject({ status: 401, body: { detail: expect.stringContaining('not known') } });
});

test('a revoked token is refused, and an unknown one cannot be revoked', async () => {
  const { id, token } = await gateway.operator.createToken({ uses: 5 }, never);
  await expect(gateway.operator.revokeToken(id, never)).resolves.toMatchObject({ revoked: true, usesLeft: 5 });
  const { request } = await gateway.enrolment(token);
  const refused = await gateway.send('POST', '/v1/agent/enrol', { body: request });
  expect(refused).toMatchObject({ status: 401, body: { detail: expect.stringContaining('revoked') } });
  await expect(gateway.operator.revokeToken('0123456789', never)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('of 200 redemptions of a one-use token over 443 at the same time exactly one wins', async () => {
  const { token } = await gateway.operator.createToken({}, never);
  const { request } = await gateway.enrolment(token);
  const attempts = Array.from({ length: 200 }, (_unused, index) =>
    gateway.send('POST', '/v1/agent/enrol', { body: { ...request, name: `rush-${index}` } }),
  );
  const statuses = (await Promise.all(attempts)).map((answer) => answer.status);
  expect(statuses.filter((status) => status === 200)).toHaveLength(1);
  expect(statuses.filter((status) => status === 401)).toHaveLength(199);
});

test('an assertion gives an access token once; replayed, foreign, expired or for others it gives none', async () => {
  const agent = await gateway.enrolAgent();
  const path = '/v1/agent/token';
  const assertion = await agent.assertion();
  const granted = await gateway.send('POST', path, { body: { assertion } });
  expect(granted.status).toBe(200);
  const replayed = await gateway.send('POST', path, { body: { assertion } });
  expect(replayed).toMatchObject({ status: 401, body: { detail: expect.stringContaining('used before') } });

  const foreign = await CertificateAuthority.open(await CertificateAuthority.create());
  const privateKeyPem = await createPrivateKeyPem();
  const csrPem = await createCertificateRequest(privateKeyPem);
  const certificatePem = await foreign.issueMachine(csrPem, agent.answer.machineId);
  const stranger = await makeAssertion({ privateKeyPem, certificatePem, caSha256: gateway.caSha256 });
  const refused = await gateway.send('POST', path, { body: { assertion: stranger } });
  expect(refused).toMatchObject({
    status: 401,
    body: { detail: expect.stringContaining('not issued by this manager') },
  });

  const { privateKeyPem: key, answer } = agent;
  const own = { privateKeyPem: key, certificatePem: answer.certificatePem, caSha256: gateway.caSha256 };
  const old = await makeAssertion({ ...own, now: new Date(Date.now() - 600_000) });
  const expired = await gateway.send('POST', path, { body: { assertion: old } });
  expect(expired).toMatchObject({ status: 401, body: { action: expect.stringContaining('clock') } });
  const elsewhere = await gateway.send('POST', '/v1/replication-server/token', {
    body: { assertion: await agent.assertion() },
  });
  expect(elsewhere.status).toBe(403);
});

test('each kind of caller gets its own routes and no others', async () => {
  const agent = await gateway.enrolAgent();
  const granted = await gateway.send('POST', '/v1/agent/token', { body: { assertion: await agent.assertion() } });
  const accessToken = String(granted.body['accessToken']);
  const statuses = async (token: string | undefined) => {
    const paths = ['/v1/agent/commands', '/v1/replication-server/assignments', '/v1/machines'];
    const sent = paths.map((path) => gateway.send('GET', path, token === undefined ? {} : { token }));
    return (await Promise.all(sent)).map((answer) => answer.status);
  };
  expect(await statuses(undefined)).toEqual([401, 401, 401]);
  expect(await statuses('lms_api_wrong')).toEqual([401, 401, 401]);
  expect(await statuses(accessToken)).toEqual([200, 403, 403]);
  expect(await statuses(gateway.apiToken)).toEqual([401, 401, 200]);
  const tampered = `${accessToken.slice(0, -4)}AAAA`;
  expect(await statuses(tampered)).toEqual([401, 401, 401]);
});

test('an agent renews its certificate with its access token and keeps its identity', async () => {
  const { api, answer } = await gateway.enrolAgent();
  const csrPem = await createCertificateRequest(await createPrivateKeyPem());
  const { certificatePem } = await api.renewCertificate(csrPem, never);
  const renewed = parseCertificate(certificatePem);
  expect(renewed.subjectAltName).toBe(`URI:spiffe://${answer.trustDomain}/machine/${answer.machineId}`);
  expect(renewed.verify(parseCertificate(gateway.caPem).publicKey)).toBe(true);
});

test('a replication server renews its certificate with the names that it was enrolled for', async () => {
  const api = await gateway.enrolReplicationServer('renewing');
  const csrPem = await createCertificateRequest(await createPrivateKeyPem());
  const { certificatePem } = await api.renewCertificate(csrPem, never);
  const names = parseCertificate(certificatePem).subjectAltName;
  expect(names).toMatch(/spiffe:\/\/.*\/replication-server\/renewing/);
  expect(names).toContain('DNS:*.block-stream.lms.internal');
});
