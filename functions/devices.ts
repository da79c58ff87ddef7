/** Management of devices and device groups. */
import { jsonBody } from '../shared/http/body.ts';
import { operation } from '../shared/http/endpoint.ts';
import * as devices from '../shared/manage/manage-devices.ts';
import * as groups from '../shared/manage/manage-groups.ts';
import { may } from './guards.ts';
import { httpRoute } from './http-route.ts';
import { services } from './services.ts';

const read = { guard: may('read') };
const change = { guard: may('manage-devices') };

httpRoute('devices', 'v1/devices', {
  GET: operation({ ...read, query: devices.deviceListQuery }, async (call) =>
    devices.listDevices(await services(), call),
  ),
  POST: operation({ ...change, body: jsonBody(devices.newDevice) }, async (call) =>
    devices.createDevice(await services(), call),
  ),
});
const device = { params: devices.devicePath };
httpRoute('device', 'v1/devices/{deviceId}', {
  GET: operation({ ...read, ...device }, async (call) => devices.getDevice(await services(), call)),
  PUT: operation({ ...change, ...device, body: jsonBody(devices.wholeDevice) }, async (call) =>
    devices.putDevice(await services(), call),
  ),
  PATCH: operation({ ...change, ...device, body: jsonBody(devices.deviceEdit) }, async (call) =>
    devices.patchDevice(await services(), call),
  ),
  DELETE: operation({ ...change, ...device }, async (call) => devices.deleteDevice(await services(), call)),
});

const members = groups.GROUP_BODY_BYTES_MAX;
httpRoute('device-groups', 'v1/device-groups', {
  GET: operation({ ...read, query: groups.groupListQuery }, async (call) => groups.listGroups(await services(), call)),
  POST: operation({ ...change, body: jsonBody(groups.newGroup, members) }, async (call) =>
    groups.createGroup(await services(), call),
  ),
});
const group = { params: groups.groupPath };
httpRoute('device-group', 'v1/device-groups/{id}', {
  GET: operation({ ...read, ...group }, async (call) => groups.getGroup(await services(), call)),
  PUT: operation({ ...change, ...group, body: jsonBody(groups.wholeGroup, members) }, async (call) =>
    groups.putGroup(await services(), call),
  ),
  PATCH: operation({ ...change, ...group, body: jsonBody(groups.groupEdit, members) }, async (call) =>
    groups.patchGroup(await services(), call),
  ),
  DELETE: operation({ ...change, ...group }, async (call) => groups.deleteGroup(await services(), call)),
});
