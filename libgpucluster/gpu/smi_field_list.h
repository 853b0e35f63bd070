/* SPDX-License-Identifier: Apache-2.0 */
/* What is read of a machine, of a GPU and of a MIG device: enum value, name in JSON, kind of value. */
#ifndef GPUC__SMI_FIELD_LIST_H
#define GPUC__SMI_FIELD_LIST_H

#define GPUC__SMI_LOG_LIST(X) \
    X(GPUC__SMI_DRIVER_VERSION, "driver_version", TEXT) \
    X(GPUC__SMI_CUDA_VERSION, "cuda_version", TEXT) \
    X(GPUC__SMI_ATTACHED_GPUS, "attached_gpus", COUNT) \
    X(GPUC__SMI_TIMESTAMP, "timestamp", TEXT)

#define GPUC__SMI_GPU_LIST(X) \
    X(GPUC__SMI_UUID, "uuid", TEXT) \
    X(GPUC__SMI_PRODUCT, "product", TEXT) \
    X(GPUC__SMI_BRAND, "brand", TEXT) \
    X(GPUC__SMI_ARCHITECTURE, "architecture", TEXT) \
    X(GPUC__SMI_COMPUTE_CAPABILITY, "compute_capability", TEXT) \
    X(GPUC__SMI_SERIAL, "serial", TEXT) \
    X(GPUC__SMI_MINOR, "minor", COUNT) \
    X(GPUC__SMI_BOARD_PART, "board_part_number", TEXT) \
    X(GPUC__SMI_GPU_PART, "gpu_part_number", TEXT) \
    X(GPUC__SMI_VBIOS, "vbios", TEXT) \
    X(GPUC__SMI_INFOROM_IMAGE, "inforom_image", TEXT) \
    X(GPUC__SMI_INFOROM_CHECKSUM, "inforom_checksum", TEXT) \
    X(GPUC__SMI_GSP_FIRMWARE, "gsp_firmware", TEXT) \
    X(GPUC__SMI_VIRTUALIZATION, "virtualization_mode", TEXT) \
    X(GPUC__SMI_DRIVER_MODEL, "driver_model", TEXT) \
    X(GPUC__SMI_PCI_BUS_ID, "pci_bus_id", TEXT) \
    X(GPUC__SMI_PCI_DEVICE_ID, "pci_device_id", TEXT) \
    X(GPUC__SMI_PCI_SUBSYSTEM_ID, "pci_subsystem_id", TEXT) \
    X(GPUC__SMI_PCIE_GEN, "pcie_gen", COUNT) \
    X(GPUC__SMI_PCIE_GEN_MAX, "pcie_gen_max", COUNT) \
    X(GPUC__SMI_PCIE_GEN_DEVICE_MAX, "pcie_gen_device_max", COUNT) \
    X(GPUC__SMI_PCIE_GEN_HOST_MAX, "pcie_gen_host_max", COUNT) \
    X(GPUC__SMI_PCIE_WIDTH, "pcie_width", LANES) \
    X(GPUC__SMI_PCIE_WIDTH_MAX, "pcie_width_max", LANES) \
    X(GPUC__SMI_PCIE_REPLAYS, "pcie_replays", COUNT) \
    X(GPUC__SMI_MEMORY_TOTAL, "memory_total_mib", MIB) \
    X(GPUC__SMI_MEMORY_RESERVED, "memory_reserved_mib", MIB) \
    X(GPUC__SMI_MEMORY_USED, "memory_used_mib", MIB) \
    X(GPUC__SMI_MEMORY_FREE, "memory_free_mib", MIB) \
    X(GPUC__SMI_BAR1_TOTAL, "bar1_total_mib", MIB) \
    X(GPUC__SMI_BAR1_USED, "bar1_used_mib", MIB) \
    X(GPUC__SMI_UTILIZATION, "utilization_percent", PERCENT) \
    X(GPUC__SMI_UTILIZATION_MEMORY, "utilization_memory_percent", PERCENT) \
    X(GPUC__SMI_FAN, "fan_percent", PERCENT) \
    X(GPUC__SMI_TEMPERATURE, "temperature_c", CELSIUS) \
    X(GPUC__SMI_TEMPERATURE_MARGIN, "temperature_margin_c", CELSIUS) \
    X(GPUC__SMI_TEMPERATURE_SHUTDOWN, "temperature_shutdown_c", CELSIUS) \
    X(GPUC__SMI_TEMPERATURE_SLOWDOWN, "temperature_slowdown_c", CELSIUS) \
    X(GPUC__SMI_TEMPERATURE_OPERATING, "temperature_max_operating_c", CELSIUS) \
    X(GPUC__SMI_TEMPERATURE_SHUTDOWN_MARGIN, "temperature_shutdown_margin_c", CELSIUS) \
    X(GPUC__SMI_TEMPERATURE_SLOWDOWN_MARGIN, "temperature_slowdown_margin_c", CELSIUS) \
    X(GPUC__SMI_TEMPERATURE_MEMORY, "temperature_memory_c", CELSIUS) \
    X(GPUC__SMI_TEMPERATURE_MEMORY_OPERATING, "temperature_memory_max_operating_c", CELSIUS) \
    X(GPUC__SMI_POWER_DRAW, "power_draw_w", WATT) \
    X(GPUC__SMI_POWER_AVERAGE, "power_average_w", WATT) \
    X(GPUC__SMI_POWER_LIMIT, "power_limit_w", WATT) \
    X(GPUC__SMI_POWER_DEFAULT, "power_default_w", WATT) \
    X(GPUC__SMI_POWER_MAX, "power_max_w", WATT) \
    X(GPUC__SMI_CLOCK_GRAPHICS, "clock_graphics_mhz", MHZ) \
    X(GPUC__SMI_CLOCK_SM, "clock_sm_mhz", MHZ) \
    X(GPUC__SMI_CLOCK_MEMORY, "clock_memory_mhz", MHZ) \
    X(GPUC__SMI_CLOCK_GRAPHICS_MAX, "clock_graphics_max_mhz", MHZ) \
    X(GPUC__SMI_CLOCK_SM_MAX, "clock_sm_max_mhz", MHZ) \
    X(GPUC__SMI_CLOCK_MEMORY_MAX, "clock_memory_max_mhz", MHZ) \
    X(GPUC__SMI_PSTATE, "pstate", TEXT) \
    X(GPUC__SMI_COMPUTE_MODE, "compute_mode", TEXT) \
    X(GPUC__SMI_PERSISTENCE, "persistence_mode", TEXT) \
    X(GPUC__SMI_DISPLAY_ACTIVE, "display_active", TEXT) \
    X(GPUC__SMI_MIG, "mig_mode", TEXT) \
    X(GPUC__SMI_MIG_PENDING, "mig_mode_pending", TEXT) \
    X(GPUC__SMI_RECOVERY_ACTION, "recovery_action", TEXT) \
    X(GPUC__SMI_RESET_REQUIRED, "reset_required", TEXT) \
    X(GPUC__SMI_RESET_RECOMMENDED, "reset_recommended", TEXT) \
    X(GPUC__SMI_THROTTLE_MASK, "throttle_reported_mask", HEX) \
    X(GPUC__SMI_THROTTLE_IDLE, "throttle_idle", TEXT) \
    X(GPUC__SMI_THROTTLE_APPLICATION, "throttle_application_clocks", TEXT) \
    X(GPUC__SMI_THROTTLE_POWER_CAP, "throttle_sw_power_cap", TEXT) \
    X(GPUC__SMI_THROTTLE_HW_SLOWDOWN, "throttle_hw_slowdown", TEXT) \
    X(GPUC__SMI_THROTTLE_SYNC_BOOST, "throttle_sync_boost", TEXT) \
    X(GPUC__SMI_THROTTLE_SW_THERMAL, "throttle_sw_thermal_slowdown", TEXT) \
    X(GPUC__SMI_THROTTLE_HW_THERMAL, "throttle_hw_thermal_slowdown", TEXT) \
    X(GPUC__SMI_THROTTLE_HW_POWER_BRAKE, "throttle_hw_power_brake", TEXT) \
    X(GPUC__SMI_THROTTLE_DISPLAY, "throttle_display_clocks", TEXT) \
    X(GPUC__SMI_ECC_MODE, "ecc_mode", TEXT) \
    X(GPUC__SMI_ECC_MODE_PENDING, "ecc_mode_pending", TEXT) \
    X(GPUC__SMI_ECC_SINGLE_BIT, "ecc_volatile_single_bit", COUNT) \
    X(GPUC__SMI_ECC_DOUBLE_BIT, "ecc_volatile_double_bit", COUNT) \
    X(GPUC__SMI_ECC_SRAM_CORRECTED, "ecc_volatile_sram_corr", COUNT) \
    X(GPUC__SMI_ECC_DRAM_CORRECTED, "ecc_volatile_dram_corr", COUNT) \
    X(GPUC__SMI_ECC_CORRECTED_TOTAL, "ecc_volatile_corrected_total", COUNT) \
    X(GPUC__SMI_ECC_SRAM, "ecc_volatile_sram_unc", COUNT) \
    X(GPUC__SMI_ECC_SRAM_PARITY, "ecc_volatile_sram_unc_parity", COUNT) \
    X(GPUC__SMI_ECC_SRAM_SECDED, "ecc_volatile_sram_unc_secded", COUNT) \
    X(GPUC__SMI_ECC_DRAM, "ecc_volatile_dram_unc", COUNT) \
    X(GPUC__SMI_ECC_TOTAL, "ecc_volatile_uncorrected_total", COUNT) \
    X(GPUC__SMI_ECC_AGGREGATE_SINGLE_BIT, "ecc_aggregate_single_bit", COUNT) \
    X(GPUC__SMI_ECC_AGGREGATE_DOUBLE_BIT, "ecc_aggregate_double_bit", COUNT) \
    X(GPUC__SMI_ECC_AGGREGATE_SRAM_CORRECTED, "ecc_aggregate_sram_corr", COUNT) \
    X(GPUC__SMI_ECC_AGGREGATE_DRAM_CORRECTED, "ecc_aggregate_dram_corr", COUNT) \
    X(GPUC__SMI_ECC_AGGREGATE_CORRECTED_TOTAL, "ecc_aggregate_corrected_total", COUNT) \
    X(GPUC__SMI_ECC_AGGREGATE_SRAM, "ecc_aggregate_sram_unc", COUNT) \
    X(GPUC__SMI_ECC_AGGREGATE_SRAM_PARITY, "ecc_aggregate_sram_unc_parity", COUNT) \
    X(GPUC__SMI_ECC_AGGREGATE_SRAM_SECDED, "ecc_aggregate_sram_unc_secded", COUNT) \
    X(GPUC__SMI_ECC_AGGREGATE_DRAM, "ecc_aggregate_dram_unc", COUNT) \
    X(GPUC__SMI_ECC_AGGREGATE_TOTAL, "ecc_aggregate_uncorrected_total", COUNT) \
    X(GPUC__SMI_ECC_SRAM_THRESHOLD, "ecc_sram_threshold_exceeded", TEXT) \
    X(GPUC__SMI_CHANNEL_REPAIR, "channel_repair_pending", TEXT) \
    X(GPUC__SMI_TPC_REPAIR, "tpc_repair_pending", TEXT) \
    X(GPUC__SMI_UNREPAIRABLE, "unrepairable_memory", TEXT) \
    X(GPUC__SMI_RETIRED_SINGLE_BIT, "retired_pages_single_bit", COUNT) \
    X(GPUC__SMI_RETIRED_DOUBLE_BIT, "retired_pages_double_bit", COUNT) \
    X(GPUC__SMI_RETIRED_PENDING, "retired_pages_pending", TEXT) \
    X(GPUC__SMI_REMAPPED_CORRECTABLE, "remapped_rows_correctable", COUNT) \
    X(GPUC__SMI_REMAPPED_UNCORRECTABLE, "remapped_rows_uncorrectable", COUNT) \
    X(GPUC__SMI_REMAPPED_CORRECTABLE_INACTIVE, "remapped_rows_correctable_inactive", COUNT) \
    X(GPUC__SMI_REMAPPED_UNCORRECTABLE_INACTIVE, "remapped_rows_uncorrectable_inactive", COUNT) \
    X(GPUC__SMI_REMAPPED_PENDING, "remapped_rows_pending", TEXT) \
    X(GPUC__SMI_REMAPPED_FAILURE, "remapped_rows_failure", TEXT) \
    X(GPUC__SMI_REMAP_BANKS_MAX, "remap_banks_max", BANKS) \
    X(GPUC__SMI_REMAP_BANKS_HIGH, "remap_banks_high", BANKS) \
    X(GPUC__SMI_REMAP_BANKS_PARTIAL, "remap_banks_partial", BANKS) \
    X(GPUC__SMI_REMAP_BANKS_LOW, "remap_banks_low", BANKS) \
    X(GPUC__SMI_REMAP_BANKS_NONE, "remap_banks_none", BANKS) \
    X(GPUC__SMI_FABRIC_STATE, "fabric_state", TEXT) \
    X(GPUC__SMI_FABRIC_STATUS, "fabric_status", TEXT) \
    X(GPUC__SMI_FABRIC_CLIQUE, "fabric_clique", TEXT) \
    X(GPUC__SMI_FABRIC_CLUSTER, "fabric_cluster_uuid", TEXT) \
    X(GPUC__SMI_FABRIC_HEALTH, "fabric_health", TEXT)

#define GPUC__SMI_MIG_LIST(X) \
    X(GPUC__SMI_MIG_INDEX, "index", COUNT) \
    X(GPUC__SMI_MIG_GI, "gpu_instance", COUNT) \
    X(GPUC__SMI_MIG_CI, "compute_instance", COUNT) \
    X(GPUC__SMI_MIG_UUID, "uuid", TEXT) \
    X(GPUC__SMI_MIG_PROFILE, "profile", TEXT) \
    X(GPUC__SMI_MIG_SMS, "multiprocessors", COUNT) \
    X(GPUC__SMI_MIG_MEMORY_TOTAL, "memory_total_mib", MIB) \
    X(GPUC__SMI_MIG_MEMORY_USED, "memory_used_mib", MIB) \
    X(GPUC__SMI_MIG_ECC_SRAM, "ecc_volatile_sram_unc", COUNT)

#endif
