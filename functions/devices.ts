/** Management of devices and device groups. */
import { jsonBody } from '../shared/http/body.ts';
import { operation } from '../shared/http/endpoint.ts';
import * as devices from '../shared/manage/manage-devices.ts';
import * as profiles from '../shared/manage/manage-profiles.ts';
import * as groups from '../shared/manage/manage-groups.ts';
import { may } from './guards.ts';
import { httpRoute } from './http-route.ts';
import { services } from './services.ts';

const read = { guard: may('read') };
const change = { guard: may('manage-devices') };

httpRoute('devices', 'v1/devices', {
  GET: operation({ ...read, summary: 'List devices', query: devices.deviceListQuery }, async (call) =>
    devices.listDevices(await services(), call),
  ),
  POST: operation({ ...change, summary: 'Register a device', body: jsonBody(devices.newDevice) }, async (call) =>
    devices.createDevice(await services(), call),
  ),
});
const device = { params: devices.devicePath };
httpRoute('device', 'v1/devices/{deviceId}', {
  GET: operation({ ...read, ...device, summary: 'Show a device' }, async (call) =>
    devices.getDevice(await services(), call),
  ),
  PUT: operation(
    { ...change, ...device, summary: 'Register or replace a device', body: jsonBody(devices.wholeDevice) },
    async (call) => devices.putDevice(await services(), call),
  ),
  PATCH: operation(
    { ...change, ...device, summary: 'Change a device', body: jsonBody(devices.deviceEdit) },
    async (call) => devices.patchDevice(await services(), call),
  ),
  DELETE: operation({ ...change, ...device, summary: 'End the registration of a device' }, async (call) =>
    devices.deleteDevice(await services(), call),
  ),
});

const members = groups.GROUP_BODY_BYTES_MAX;
httpRoute('device-groups', 'v1/device-groups', {
  GET: operation({ ...read, summary: 'List device groups', query: groups.groupListQuery }, async (call) =>
    groups.listGroups(await services(), call),
  ),
  POST: operation(
    { ...change, summary: 'Create a device group', body: jsonBody(groups.newGroup, members) },
    async (call) => groups.createGroup(await services(), call),
  ),
});
const group = { params: groups.groupPath };
httpRoute('device-group', 'v1/device-groups/{id}', {
  GET: operation({ ...read, ...group, summary: 'Show a device group with its members' }, async (call) =>
    groups.getGroup(await services(), call),
  ),
  PUT: operation(
    { ...change, ...group, summary: 'Create or replace a device group', body: jsonBody(groups.wholeGroup, members) },
    async (call) => groups.putGroup(await services(), call),
  ),
  PATCH: operation(
    { ...change, ...group, summary: 'Change a device group or its members', body: jsonBody(groups.groupEdit, members) },
    async (call) => groups.patchGroup(await services(), call),
  ),
  DELETE: operation({ ...change, ...group, summary: 'Delete a device group' }, async (call) =>
    groups.deleteGroup(await services(), call),
  ),
});

httpRoute('device-profiles', 'v1/device-profiles', {
  GET: operation({ ...read, summary: 'List device profiles', query: profiles.profileListQuery }, async (call) =>
    profiles.listProfiles(await services(), call),
  ),
});
const profilePath = profiles.profilePath;
httpRoute('device-profile', 'v1/device-profiles/{id}', {
  GET: operation({ ...read, params: profilePath, summary: 'Show a device profile' }, async (call) =>
    profiles.getProfile(await services(), call),
  ),
  PUT: operation(
    {
      ...change,
      params: profilePath,
      summary: 'Create or replace a device profile',
      body: jsonBody(profiles.wholeProfile),
    },
    async (call) => profiles.putProfile(await services(), call),
  ),
  DELETE: operation({ ...change, params: profilePath, summary: 'Delete a device profile' }, async (call) =>
    profiles.deleteProfile(await services(), call),
  ),
});
