/**
 * Joins this machine to a manager.
 *
 * Order: what can fail here comes first (folder, token, disks), so that it never uses the token up; then the CA is
 * compared with the hash that the operator gave; only then is the token sent, over a connection that was checked
 * against that CA. The key is written before, identity last: a folder is enrolled or it is not.
 */
import { enrolAgent, fetchManagerCa } from '@lms/api';
import type { EnrolAgentAnswer, EnrolAgentRequest } from '@lms/api';
import { CommandError, productVersion, withExit } from '@lms/command-line';
import { toLmsError } from '@lms/errors';
import { certificateSha256, createCertificateRequest, createPrivateKeyPem } from '@lms/identity';
import { ProxyError } from '@lms/proxy';
import { openSourceDisks } from '../kernel/index.ts';
import type { AgentIdentity } from '../state/agent-identity.ts';
import type { AgentProxies } from '../state/agent-proxies.ts';
import type { StateFolder } from '../state/state-folder.ts';
import { readInventory } from './inventory.ts';

export interface Enrolment {
  readonly managerUrl: string;
  readonly caSha256: string;
  readonly name: string;
  readonly devices: readonly string[];
  readonly readToken: () => Promise<string>;
  /** Used for the enrolment, and kept for everything after it. */
  readonly proxies: AgentProxies;
  readonly signal: AbortSignal;
}

export async function enrol(state: StateFolder, enrolment: Enrolment): Promise<AgentIdentity> {
  const created = state.create();
  const lock = state.lock();
  try {
    await refuseEnrolled(state);
    const disks = await admitDisks(enrolment.devices);
    const token = await enrolment.readToken();
    const privateKeyPem = await createPrivateKeyPem();
    await state.writeKey(privateKeyPem);
    const { managerUrl, caSha256, signal, proxies } = enrolment;
    const caPem = await manager(() => fetchManagerCa(managerUrl, caSha256, signal, proxies.manager));
    const request: EnrolAgentRequest = {
      token,
      csrPem: await createCertificateRequest(privateKeyPem),
      name: enrolment.name,
      version: productVersion(),
      disks: [...disks],
      inventory: readInventory(),
    };
    const answer = await manager(() => enrolAgent(managerUrl, caPem, request, signal, proxies.manager));
    requireSameAuthority(answer, caSha256);
    const identity: AgentIdentity = {
      schemaVersion: 1,
      machineId: answer.machineId,
      name: answer.name,
      managerUrl,
      caSha256,
      trustDomain: answer.trustDomain,
      enrolledAt: new Date().toISOString(),
      disks: [...disks],
    };
    if (proxies.manager !== null || proxies.blockStream !== null) await state.writeProxies(proxies);
    await state.writeEnrolment(identity, answer.certificatePem, answer.caPem);
    return identity;
  } catch (thrown) {
    await forgetAttempt(state, created);
    throw thrown;
  } finally {
    lock.release();
  }
}

/** A failed enrolment leaves what it found. */
async function forgetAttempt(state: StateFolder, created: boolean): Promise<void> {
  if ((await state.findIdentity()) !== null) return;
  if (created) await state.remove();
  else await state.removeKey();
}

async function refuseEnrolled(state: StateFolder): Promise<void> {
  const identity = await state.findIdentity();
  if (identity === null) return;
  const who = `${identity.name} (${identity.machineId}) of ${identity.managerUrl}`;
  throw new CommandError('refused', 'FAILED_PRECONDITION', `${state.path} is enrolled already, as ${who}`, {
    action: 'Use another state folder, or end that enrolment with `lms-agent uninstall`.',
  });
}

async function admitDisks(devices: readonly string[]): Promise<AgentIdentity['disks']> {
  try {
    const disks = await openSourceDisks(devices);
    const admitted = disks.map(({ diskId, device, sizeBytes }) => ({ diskId, device, sizeBytes }));
    await Promise.all(disks.map((disk) => disk.close()));
    return admitted;
  } catch (thrown) {
    throw withExit('failed', thrown);
  }
}

/** A manager that is not reached is exit 6; whatever it refuses, or is not believed for, is exit 1. */
async function manager<Answer>(request: () => Promise<Answer>): Promise<Answer> {
  try {
    return await request();
  } catch (thrown) {
    const { code } = toLmsError(thrown);
    const isAway = code === 'UNAVAILABLE' || code === 'DEADLINE_EXCEEDED' || thrown instanceof ProxyError;
    throw withExit(isAway ? 'unreachable' : 'failed', thrown);
  }
}

/** Whatever stood between must not have given us another CA to trust on 1500. */
function requireSameAuthority(answer: EnrolAgentAnswer, caSha256: string): void {
  const actual = certificateSha256(answer.caPem);
  if (actual === caSha256) return;
  throw new CommandError('failed', 'UNAUTHENTICATED', `the manager answered with another CA (SHA-256 ${actual})`, {
    action: 'Something between here and the manager changes what it says: enrol over a network that you trust.',
  });
}
