/** What follows from what is stored about a machine. No I/O. */
import { randomBytes } from 'node:crypto';
import { HEARTBEAT_SECONDS } from '@lms/api';
import {
  LifecycleState,
  Machine,
  type SettingValues,
  type Disk,
  type HeartbeatMachineRequest,
  type Point,
  type ReplicationSettings,
} from '@lms/proto';
import { contentRevision, overridesOf } from './settings/setting-rules.ts';

/** Three heartbeats and a little: one that is lost, or a slow proxy, is no absence. */
const CONNECTED_MILLISECONDS = 3_500 * HEARTBEAT_SECONDS;
/** Not seen for so long, a machine is not ready for anything. */
const DISCONNECTED_MILLISECONDS = 5 * 60_000;

/** 80 random bits: fits a DNS label (SNI) and a NATS subject. */
export function createMachineId(): string {
  return `m-${randomBytes(10).toString('hex')}`;
}

export interface NewMachine {
  readonly machineId: string;
  readonly name: string;
  readonly disks: readonly Disk[];
  readonly agentVersion: string;
  readonly inventoryJson: string;
}

export function newMachine(machine: NewMachine, now: Date): Machine {
  return Machine.fromPartial({ ...machine, disks: [...machine.disks], enrolledAt: now, settingOverrides: {} });
}

/** What was set for this machine alone. */
export function settingOverrides(stored: Machine): SettingValues {
  return stored.settingOverrides ?? overridesOf(stored.settings);
}

/** What follows from them is not stored. */
export function withOverrides(machine: Machine, overrides: SettingValues): Machine {
  return { ...machine, settingOverrides: overrides, settings: undefined };
}

/** The machine with what its heartbeat tells; the same object when that is nothing new. */
export function withHeartbeat(machine: Machine, heartbeat: HeartbeatMachineRequest): Machine {
  const told = {
    agentVersion: heartbeat.agentVersion,
    bootId: heartbeat.bootId,
    disks: heartbeat.disks.length === 0 ? machine.disks : heartbeat.disks,
    inventoryJson: heartbeat.inventoryJson === '' ? machine.inventoryJson : heartbeat.inventoryJson,
  };
  const same =
    told.agentVersion === machine.agentVersion &&
    told.bootId === machine.bootId &&
    told.inventoryJson === machine.inventoryJson &&
    sameDisks(told.disks, machine.disks);
  return same ? machine : { ...machine, ...told };
}

function sameDisks(one: readonly Disk[], other: readonly Disk[]): boolean {
  return (
    one.length === other.length &&
    one.every((disk, index) => {
      const twin = other[index];
      return disk.diskId === twin?.diskId && disk.device === twin.device && disk.sizeBytes === twin.sizeBytes;
    })
  );
}

export interface Observed {
  /** The later of what is stored and what this process has seen. */
  readonly lastSeenAt: Date | undefined;
  readonly lastPoint: Point | undefined;
  readonly revision: number;
  /** What holds for it, and which revision of the installation's settings that follows from. */
  readonly settings: ReplicationSettings;
  readonly settingsRevision: bigint;
}

/** The stored machine with the fields that follow from others. */
export function presentMachine(stored: Machine, observed: Observed, now: Date): Machine {
  const { lastSeenAt, lastPoint, revision, settings, settingsRevision } = observed;
  const overrides = settingOverrides(stored);
  const unseenMilliseconds = lastSeenAt === undefined ? Number.POSITIVE_INFINITY : now.getTime() - lastSeenAt.getTime();
  return {
    ...stored,
    settings,
    settingOverrides: overrides,
    settingsRevision,
    overridesRevision: contentRevision(overrides),
    lastSeenAt,
    agentConnected: unseenMilliseconds < CONNECTED_MILLISECONDS,
    lifecycleState: lifecycleOf(stored, unseenMilliseconds, lastPoint),
    lastPoint,
    revision: BigInt(revision),
  };
}

function lifecycleOf(stored: Machine, unseenMilliseconds: number, lastPoint: Point | undefined): LifecycleState {
  const enrolledAt = stored.enrolledAt?.getTime() ?? 0;
  // Enrolled and never seen since: the agent was not started yet.
  if (unseenMilliseconds === Number.POSITIVE_INFINITY && enrolledAt > 0) return LifecycleState.NOT_READY;
  if (unseenMilliseconds > DISCONNECTED_MILLISECONDS) return LifecycleState.DISCONNECTED;
  return lastPoint === undefined ? LifecycleState.NOT_READY : LifecycleState.READY_FOR_TEST;
}
