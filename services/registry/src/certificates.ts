/** Enrolling and renewing: who gets which certificate. */
import { LmsError } from '@lms/errors';
import { parseCertificate, parseIdentity, verifyCertificateRequest, type CertificateAuthority } from '@lms/identity';
import {
  TokenPurpose,
  type EnrolMachineRequest,
  type EnrolMachineResponse,
  type EnrolReplicationServerRequest,
  type EnrolReplicationServerResponse,
  type RenewCertificateRequest,
  type RenewCertificateResponse,
} from '@lms/proto';
import type { Facts } from './facts.ts';
import { createMachineId } from './machine-rules.ts';
import type { Machines } from './machines.ts';
import type { RemovedMachines } from './removed-machines.ts';
import type { ReplicationServers } from './replication-servers.ts';
import type { Tokens } from './tokens.ts';

export interface Enrolment {
  readonly authority: CertificateAuthority;
  readonly tokens: Tokens;
  readonly machines: Machines;
  readonly removed: RemovedMachines;
  readonly replicationServers: ReplicationServers;
  readonly facts: Facts;
}

/**
 * What can be refused is refused before the token loses a use: a mistake in a request must not cost a token. Only a lost
 * race for the name comes after it, and gives the use back.
 */
export async function enrolMachine(
  { authority, tokens, machines }: Enrolment,
  request: EnrolMachineRequest,
  now: Date,
): Promise<EnrolMachineResponse> {
  await tokens.check(request.token, TokenPurpose.MACHINE, now);
  const machineId = createMachineId();
  const certificatePem = await authority.issueMachine(request.csrPem, machineId, now);
  machines.checkName(request.name);
  await tokens.redeem(request.token, TokenPurpose.MACHINE, now);
  const { name, disks, agentVersion, inventoryJson } = request;
  try {
    await machines.create({ machineId, name, disks, agentVersion, inventoryJson }, now);
  } catch (error) {
    await tokens.giveBack(request.token);
    throw error;
  }
  return { machineId, name, certificatePem, caPem: authority.certificatePem, trustDomain: authority.trustDomain };
}

export async function enrolReplicationServer(
  { authority, tokens, removed, replicationServers, facts }: Enrolment,
  request: EnrolReplicationServerRequest,
  now: Date,
): Promise<EnrolReplicationServerResponse> {
  const { name, version } = request;
  await tokens.check(request.token, TokenPurpose.REPLICATION_SERVER, now);
  await verifyCertificateRequest(request.csrPem);
  const { dnsNames } = await tokens.redeem(request.token, TokenPurpose.REPLICATION_SERVER, now);
  removed.refuseServer(dnsNames);
  const certificatePem = await authority.issueReplicationServer(request.csrPem, name, dnsNames, now);
  const revision = await replicationServers.put(name, { version, enrolledAt: now.toISOString(), dnsNames });
  const fact = { $case: 'replicationServerEnrolled', value: { name, version } } as const;
  facts.tell(name, fact, `replication-server.${name}`, revision);
  return { name, certificatePem, caPem: authority.certificatePem, trustDomain: authority.trustDomain };
}

/** The gateway has checked the caller's certificate; whoever holds one of ours gets the next, unless it was removed. */
export async function renewCertificate(
  { authority, removed, replicationServers }: Enrolment,
  request: RenewCertificateRequest,
  now: Date,
): Promise<RenewCertificateResponse> {
  const identity = parseIdentity(request.spiffeId);
  if (identity.trustDomain !== authority.trustDomain || identity.kind === 'service') {
    throw new LmsError('PERMISSION_DENIED', `${request.spiffeId} gets no certificate here`);
  }
  if (identity.kind === 'machine') removed.refuse(identity.id);
  else removed.refuseServer(request.dnsNames);
  const certificatePem =
    identity.kind === 'machine'
      ? await authority.issueMachine(request.csrPem, identity.id, now)
      : await authority.issueReplicationServer(
          request.csrPem,
          identity.id,
          await replicationServers.dnsNames(identity.id, request.dnsNames, now),
          now,
        );
  return { certificatePem, notAfter: parseCertificate(certificatePem).validToDate };
}
