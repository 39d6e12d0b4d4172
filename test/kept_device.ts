/**
 * The device of one command is that of the next in the same process, with its pipelines: to open one and to make the
 * pipelines of a training takes half a second of CPU, although the driver has compiled them. What a command made in the
 * device's memory it frees itself, as always; only the device's own end is left out.
 */

/** From now on in this process. */
export function keepDevice(): void {
  const { gpu } = navigator;
  const [adapters, devices] = [GPUAdapter.prototype, GPUDevice.prototype];
  const { requestDevice } = adapters;
  const { createShaderModule, createComputePipeline } = devices;
  const requestAdapter = gpu.requestAdapter.bind(gpu);
  let adapter: Promise<GPUAdapter | null> | undefined;
  gpu.requestAdapter = (options) => adapter ??= requestAdapter(options); // all ask for the same
  const opened = new Map<string, Promise<GPUDevice>>();
  adapters.requestDevice = function (descriptor) {
    const key = JSON.stringify(descriptor);
    const device = opened.get(key) ?? requestDevice.call(this, descriptor);
    opened.set(key, device);
    return device;
  };
  devices.destroy = () => undefined;
  const modules = new Map<GPUDevice, Map<string, GPUShaderModule>>();
  const pipelines = new Map<GPUShaderModule, GPUComputePipeline>();
  devices.createShaderModule = function (descriptor) {
    const known = modules.get(this) ?? new Map<string, GPUShaderModule>();
    modules.set(this, known);
    const key = `${descriptor.label}\n${descriptor.code}`;
    const module = known.get(key) ?? createShaderModule.call(this, descriptor);
    known.set(key, module);
    return module;
  };
  devices.createComputePipeline = function (descriptor) {
    const { module } = descriptor.compute; // its layout follows from it, as in Gpu.pipeline
    const pipeline = pipelines.get(module) ?? createComputePipeline.call(this, descriptor);
    pipelines.set(module, pipeline);
    return pipeline;
  };
}
