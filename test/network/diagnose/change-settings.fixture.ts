// Changes the settings of a machine on 443, from the host where it runs: context file, machine, change as JSON.

import { readFile } from 'node:fs/promises';
import { OperatorApi } from '@lms/api';
import type { OperatorOptions, ReplicationSettingsRequest } from '@lms/api';

const [, , contextPath = '', machine = '', change = '{}'] = process.argv;
const api = new OperatorApi(JSON.parse(await readFile(contextPath, 'utf8')) as OperatorOptions);
await api.changeMachineSettings(machine, JSON.parse(change) as ReplicationSettingsRequest, AbortSignal.timeout(20_000));
await api.close();
