/* A plugin of an ABI that is still to come: it exports the entry of version 2 alone. */
const void *martlet_plugin_v2(unsigned host_minor);
const void *martlet_plugin_v2(unsigned host_minor) { return host_minor ? (const void *)&martlet_plugin_v2 : 0; }
