/** That the validators bite: traffic which does not fit the vendors' models is named. Skipped where the models are not beside the checkout. */
import assert from 'node:assert/strict';
import type { Exchange } from '../fakes/control-plane.ts';
import type { Case } from '../fakes/suite.ts';
import { model } from './models.ts';
import { invalidJsonExchanges } from './openapi.ts';
import { invalidExchanges } from './rds.ts';

function exchange(operation: string, method: string, path: string, body: string, status: number, answer: string): Exchange {
  return {
    operation,
    request: { method, path, query: new URLSearchParams(), headers: {}, body },
    answer: { status, body: answer },
    lost: false,
  };
}

function rds(body: string, answer: string): string[] {
  const operation = new URLSearchParams(body).get('Action') ?? '';
  return invalidExchanges([exchange(operation, 'POST', '/', body, 200, answer)]);
}

const REBOOT = 'Version=2014-10-31&Action=RebootDBInstance&DBInstanceIdentifier=shop';
const DATABASE = '/v2/databases/9cc10173-e9ea-4176-9dbc-a4cee4c4ff30';
const INSTANCE = '/v1/projects/p/instances/i';

export function specsCases(): Case[] {
  if (model('aws-rds-2014-10-31.json') === undefined) return [];
  const rebooted = (inner: string): string =>
    `<RebootDBInstanceResponse><RebootDBInstanceResult><DBInstance>${inner}</DBInstance></RebootDBInstanceResult></RebootDBInstanceResponse>`;
  const flags = (value: unknown): string => JSON.stringify({ settings: { databaseFlags: [value] } });
  return [
    {
      name: 'what fits is let pass',
      run: async () => {
        assert.deepEqual(rds(REBOOT, rebooted('<DBInstanceStatus>available</DBInstanceStatus>')), []);
        assert.deepEqual(
          invalidJsonExchanges('digitalocean', [
            exchange('', 'PUT', `${DATABASE}/firewall`, '{"rules":[{"type":"ip_addr","value":"192.0.2.1"}]}', 204, ''),
          ]),
          [],
        );
        assert.deepEqual(
          invalidJsonExchanges('cloudsql', [
            exchange('', 'PATCH', INSTANCE, flags({ name: 'a', value: 'on' }), 200, '{"status":"PENDING"}'),
          ]),
          [],
        );
      },
    },
    {
      name: 'an unknown field, a missing one, a wrong type and a wrong list are named',
      run: async () => {
        assert.match(rds(`${REBOOT}&Force=true`, rebooted('')).join(), /no field Force/);
        assert.match(rds('Version=2014-10-31&Action=RebootDBInstance', rebooted('')).join(), /DBInstanceIdentifier is missing/);
        assert.match(rds(`${REBOOT}&ForceFailover=perhaps`, rebooted('')).join(), /"perhaps" is no boolean/);
        assert.match(rds(REBOOT, rebooted('<Mood>good</Mood>')).join(), /no field <Mood>/);
        assert.match(
          rds(REBOOT, rebooted('<DBParameterGroups><member/></DBParameterGroups>')).join(),
          /<member> in a list of <DBParameterGroup>/,
        );
        assert.match(rds('Version=2014-10-31&Action=RestartEverything', '<x/>').join(), /not in the model/);
      },
    },
    {
      name: 'so it is in JSON',
      run: async () => {
        const put = (body: string, status = 204): string =>
          invalidJsonExchanges('digitalocean', [exchange('', 'PUT', `${DATABASE}/firewall`, body, status, '')]).join();
        assert.match(put('{"rules":[{"type":"ip","value":"192.0.2.1"}]}'), /"ip" is none of/);
        assert.match(put('{"rules":[{"type":"ip_addr"}]}'), /value is missing/);
        assert.match(put('{"rules":[{"type":"ip_addr","value":"192.0.2.1","cluster_uuid":""}]}'), /read-only/);
        assert.match(put('{"rules":[]}', 202), /status 202/);
        const patch = (value: unknown): string =>
          invalidJsonExchanges('cloudsql', [exchange('', 'PATCH', INSTANCE, flags(value), 200, '{"status":"SOON"}')]).join();
        assert.match(patch({ name: 'a', value: true }), /true is no string.*"SOON" is none of/);
        assert.match(patch({ flag: 'a' }), /no field flag/);
      },
    },
  ];
}
