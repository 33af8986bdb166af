/** What has to be let through where, for this installation: as a table, and as rules of firewalls. */
import { ROLES, TARGET_NAMES } from '@lms/network';
import { collect } from '@lms/command-line';
import { Option } from 'commander';
import type { Command } from 'commander';
import { networkPortsResult } from '../results/network.ts';
import type { ManagerSession } from '../session.ts';
import { makeRules, type RulesCommandOptions } from '../network/make-rules.ts';
import { collectBlockStream, collectLabels, collectNetworks, parseHttpUrl } from '../network/option-values.ts';

export function addNetworkCommands(program: Command, session: ManagerSession): void {
  const network = program.command('network').description('ports, addresses and firewall rules of this installation');
  network
    .command('ports')
    .description('who connects to whom, on which port, and for what')
    .action(async () => {
      await session.print(networkPortsResult(await session.use((api) => api.network(session.signal))));
    });
  addRulesCommand(network, session);
}

function addRulesCommand(network: Command, session: ManagerSession): void {
  const networks = (flags: string, description: string): Option =>
    new Option(flags, description).argParser(collectNetworks(flags.split(' ')[0] ?? flags));
  network
    .command('rules')
    .description('rules for a firewall, ready to be put into force: what is needed, and nothing else')
    .addOption(new Option('--for <form>', 'whose rules').choices(TARGET_NAMES).makeOptionMandatory())
    .addOption(new Option('--role <role...>', 'for whom; default: a part for each').choices(ROLES))
    .addOption(
      new Option('--route <route>', 'to the manager; default: by a proxy where one is named').choices([
        'direct',
        'proxy',
      ]),
    )
    .addOption(new Option('--address <kind>', 'of 1500; default: all that there are').choices(['public', 'private']))
    .option('--machine <id-or-name...>', 'only for these source machines')
    .addOption(networks('--source <network...>', 'where source machines come from'))
    .addOption(networks('--staging <network...>', 'where replication servers are'))
    .addOption(networks('--manager <address...>', "in the place of what the manager's URL leads to"))
    .addOption(networks('--operator <network...>', 'who may use console and API'))
    .addOption(networks('--dns <address...>', 'DNS servers'))
    .addOption(
      new Option('--proxy <url>', 'of source machines; of the staging area where no setting names one').argParser(
        parseHttpUrl,
      ),
    )
    .addOption(
      new Option('--block-stream-proxy <url>', 'by which agents reach 1500; default: directly').argParser(parseHttpUrl),
    )
    .addOption(
      new Option('--block-stream <host:port...>', 'in the place of the addresses for 1500').argParser(
        collectBlockStream,
      ),
    )
    .option('--anywhere', 'open to everybody where no network is named', false)
    .addOption(
      new Option('--other-traffic <what>', 'what becomes of everything else')
        .choices(['drop', 'leave'])
        .default('drop'),
    )
    .option('--network <id>', "the cloud's network: id of a VPC, name of a network")
    .option('--namespace <name>', 'kubernetes: of the pods', 'lms')
    .option('--release <name>', 'kubernetes: of the chart', 'lms')
    .addOption(
      new Option('--selector <label=value...>', 'kubernetes: pods that are source machines or a proxy').argParser(
        collectLabels,
      ),
    )
    .option('--storage-account <name>', 'azure: its firewall too')
    .option('--storage-subnet <id...>', 'azure: subnets of replication servers', collect)
    .action(async (options: RulesCommandOptions) => {
      const { result, remarks } = await session.use((api) => makeRules(api, options, session.signal));
      for (const remark of remarks) await session.tell(remark);
      await session.print(result);
    });
}
