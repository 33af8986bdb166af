import { runMain } from '@lms/service';
import { readRegistryConfiguration } from './config.ts';
import { createRegistryService } from './service.ts';

await runMain('registry', () => createRegistryService(readRegistryConfiguration()));
