/**
 * Where the manager of one host has the agent packages from: a folder that somebody names, with finished packages in it; else
 * it makes the one of its own platform when a machine first asks. That takes ten seconds, once for each version, and no start
 * waits for it. A bucket comes by the gateway's own variables.
 */
import { accessSync, constants } from 'node:fs';
import { join, resolve } from 'node:path';
import { packAside } from '@lms/agent-package';
import { readPackagesConfiguration, type PackagesConfiguration } from '@lms/gateway';

const TOOLS_FOLDER = resolve(import.meta.dirname, '../../../.tools');

export function agentPackages(named: string | null, dataDirectory: string): PackagesConfiguration {
  const finished = named ?? process.env['LMS_AGENT_PACKAGES'] ?? '';
  const folder =
    finished === '' ? join(isWritable(TOOLS_FOLDER) ? TOOLS_FOLDER : dataDirectory, 'agent-packages') : finished;
  const configuration = { ...readPackagesConfiguration({ ...process.env, LMS_AGENT_PACKAGES: folder }), folder };
  return finished === '' ? { ...configuration, prepare: (signal) => packAside(folder, signal) } : configuration;
}

/** Beside the sources it is made once for all managers of this copy. */
function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
