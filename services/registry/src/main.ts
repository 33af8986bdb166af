import { withHealthPort } from '@lms/rpc';
import { runMain } from '@lms/service';
import { readRegistryConfiguration } from './config.ts';
import { createRegistryService } from './service.ts';

await runMain('registry', () => withHealthPort(createRegistryService(readRegistryConfiguration())));
