/* SPDX-License-Identifier: Apache-2.0 */
/* nvidia-smi's names as data, each table sorted, since it is searched by halves. A renamed element
 * gets another row. Paths are those of -q -x, and of -q with every name in lower case and '_' for
 * what is no letter or digit; the CSV's are those of --query-gpu without the unit.
 * Sources: captures of drivers 270 to 615, nvidia-smi --help-query-gpu of 590, 595 and 610; 2026-11. */
#include <string.h>

#include "gpu/smi_fields.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const gpuc__smi_path log_paths[] = {
    {"attached_gpus", GPUC__SMI_ATTACHED_GPUS},
    {"cuda_umd_version", GPUC__SMI_CUDA_VERSION},
    {"cuda_version", GPUC__SMI_CUDA_VERSION},
    {"driver_version", GPUC__SMI_DRIVER_VERSION},
    {"kmd_version", GPUC__SMI_DRIVER_VERSION},
    {"timestamp", GPUC__SMI_TIMESTAMP},
};

static const gpuc__smi_path gpu_paths[] = {
    {"bar1_memory_usage/total", GPUC__SMI_BAR1_TOTAL},
    {"bar1_memory_usage/used", GPUC__SMI_BAR1_USED},
    {"board_part_number", GPUC__SMI_BOARD_PART},
    {"clocks/graphics", GPUC__SMI_CLOCK_GRAPHICS},
    {"clocks/graphics_clock", GPUC__SMI_CLOCK_GRAPHICS},
    {"clocks/mem_clock", GPUC__SMI_CLOCK_MEMORY},
    {"clocks/memory", GPUC__SMI_CLOCK_MEMORY},
    {"clocks/sm", GPUC__SMI_CLOCK_SM},
    {"clocks/sm_clock", GPUC__SMI_CLOCK_SM},
    {"clocks_event_reasons/applications_clocks_setting", GPUC__SMI_THROTTLE_APPLICATION},
    {"clocks_event_reasons/clocks_event_reason_applications_clocks_setting",
     GPUC__SMI_THROTTLE_APPLICATION},
    {"clocks_event_reasons/clocks_event_reason_board_limit", GPUC__SMI_THROTTLE_BOARD},
    {"clocks_event_reasons/clocks_event_reason_display_clocks_setting", GPUC__SMI_THROTTLE_DISPLAY},
    {"clocks_event_reasons/clocks_event_reason_gpu_idle", GPUC__SMI_THROTTLE_IDLE},
    {"clocks_event_reasons/clocks_event_reason_hw_power_brake_slowdown",
     GPUC__SMI_THROTTLE_HW_POWER_BRAKE},
    {"clocks_event_reasons/clocks_event_reason_hw_slowdown", GPUC__SMI_THROTTLE_HW_SLOWDOWN},
    {"clocks_event_reasons/clocks_event_reason_hw_thermal_slowdown", GPUC__SMI_THROTTLE_HW_THERMAL},
    {"clocks_event_reasons/clocks_event_reason_reliability", GPUC__SMI_THROTTLE_RELIABILITY},
    {"clocks_event_reasons/clocks_event_reason_sw_power_cap", GPUC__SMI_THROTTLE_POWER_CAP},
    {"clocks_event_reasons/clocks_event_reason_sw_thermal_slowdown", GPUC__SMI_THROTTLE_SW_THERMAL},
    {"clocks_event_reasons/clocks_event_reason_sync_boost", GPUC__SMI_THROTTLE_SYNC_BOOST},
    {"clocks_event_reasons/display_clock_setting", GPUC__SMI_THROTTLE_DISPLAY},
    {"clocks_event_reasons/hw_power_brake_slowdown", GPUC__SMI_THROTTLE_HW_POWER_BRAKE},
    {"clocks_event_reasons/hw_slowdown", GPUC__SMI_THROTTLE_HW_SLOWDOWN},
    {"clocks_event_reasons/hw_slowdown/hw_power_brake_slowdown", GPUC__SMI_THROTTLE_HW_POWER_BRAKE},
    {"clocks_event_reasons/hw_slowdown/hw_thermal_slowdown", GPUC__SMI_THROTTLE_HW_THERMAL},
    {"clocks_event_reasons/hw_thermal_slowdown", GPUC__SMI_THROTTLE_HW_THERMAL},
    {"clocks_event_reasons/idle", GPUC__SMI_THROTTLE_IDLE},
    {"clocks_event_reasons/sw_power_cap", GPUC__SMI_THROTTLE_POWER_CAP},
    {"clocks_event_reasons/sw_thermal_slowdown", GPUC__SMI_THROTTLE_SW_THERMAL},
    {"clocks_event_reasons/sync_boost", GPUC__SMI_THROTTLE_SYNC_BOOST},
    {"clocks_throttle_reasons/applications_clocks_setting", GPUC__SMI_THROTTLE_APPLICATION},
    {"clocks_throttle_reasons/clocks_throttle_reason_applications_clocks_setting",
     GPUC__SMI_THROTTLE_APPLICATION},
    {"clocks_throttle_reasons/clocks_throttle_reason_display_clocks_setting",
     GPUC__SMI_THROTTLE_DISPLAY},
    {"clocks_throttle_reasons/clocks_throttle_reason_gpu_idle", GPUC__SMI_THROTTLE_IDLE},
    {"clocks_throttle_reasons/clocks_throttle_reason_hw_power_brake_slowdown",
     GPUC__SMI_THROTTLE_HW_POWER_BRAKE},
    {"clocks_throttle_reasons/clocks_throttle_reason_hw_slowdown", GPUC__SMI_THROTTLE_HW_SLOWDOWN},
    {"clocks_throttle_reasons/clocks_throttle_reason_hw_thermal_slowdown",
     GPUC__SMI_THROTTLE_HW_THERMAL},
    {"clocks_throttle_reasons/clocks_throttle_reason_sw_power_cap", GPUC__SMI_THROTTLE_POWER_CAP},
    {"clocks_throttle_reasons/clocks_throttle_reason_sw_thermal_slowdown",
     GPUC__SMI_THROTTLE_SW_THERMAL},
    {"clocks_throttle_reasons/clocks_throttle_reason_sync_boost", GPUC__SMI_THROTTLE_SYNC_BOOST},
    {"clocks_throttle_reasons/display_clock_setting", GPUC__SMI_THROTTLE_DISPLAY},
    {"clocks_throttle_reasons/hw_power_brake_slowdown", GPUC__SMI_THROTTLE_HW_POWER_BRAKE},
    {"clocks_throttle_reasons/hw_slowdown", GPUC__SMI_THROTTLE_HW_SLOWDOWN},
    {"clocks_throttle_reasons/hw_slowdown/hw_power_brake_slowdown",
     GPUC__SMI_THROTTLE_HW_POWER_BRAKE},
    {"clocks_throttle_reasons/hw_slowdown/hw_thermal_slowdown", GPUC__SMI_THROTTLE_HW_THERMAL},
    {"clocks_throttle_reasons/hw_thermal_slowdown", GPUC__SMI_THROTTLE_HW_THERMAL},
    {"clocks_throttle_reasons/idle", GPUC__SMI_THROTTLE_IDLE},
    {"clocks_throttle_reasons/sw_power_cap", GPUC__SMI_THROTTLE_POWER_CAP},
    {"clocks_throttle_reasons/sw_thermal_slowdown", GPUC__SMI_THROTTLE_SW_THERMAL},
    {"clocks_throttle_reasons/sync_boost", GPUC__SMI_THROTTLE_SYNC_BOOST},
    {"compute_mode", GPUC__SMI_COMPUTE_MODE},
    {"display_active", GPUC__SMI_DISPLAY_ACTIVE},
    {"driver_model/current", GPUC__SMI_DRIVER_MODEL},
    {"driver_model/current_dm", GPUC__SMI_DRIVER_MODEL},
    {"ecc_errors/aggregate/double_bit/total", GPUC__SMI_ECC_AGGREGATE_DOUBLE_BIT},
    {"ecc_errors/aggregate/dram_correctable", GPUC__SMI_ECC_AGGREGATE_DRAM_CORRECTED},
    {"ecc_errors/aggregate/dram_uncorrectable", GPUC__SMI_ECC_AGGREGATE_DRAM},
    {"ecc_errors/aggregate/single_bit/total", GPUC__SMI_ECC_AGGREGATE_SINGLE_BIT},
    {"ecc_errors/aggregate/sram_correctable", GPUC__SMI_ECC_AGGREGATE_SRAM_CORRECTED},
    {"ecc_errors/aggregate/sram_threshold_exceeded", GPUC__SMI_ECC_SRAM_THRESHOLD},
    {"ecc_errors/aggregate/sram_uncorrectable", GPUC__SMI_ECC_AGGREGATE_SRAM},
    {"ecc_errors/aggregate/sram_uncorrectable_parity", GPUC__SMI_ECC_AGGREGATE_SRAM_PARITY},
    {"ecc_errors/aggregate/sram_uncorrectable_sec_ded", GPUC__SMI_ECC_AGGREGATE_SRAM_SECDED},
    {"ecc_errors/aggregate/sram_uncorrectable_secded", GPUC__SMI_ECC_AGGREGATE_SRAM_SECDED},
    {"ecc_errors/channel_repair_pending", GPUC__SMI_CHANNEL_REPAIR},
    {"ecc_errors/tpc_repair_pending", GPUC__SMI_TPC_REPAIR},
    {"ecc_errors/unrepairable_memory", GPUC__SMI_UNREPAIRABLE},
    {"ecc_errors/volatile/double_bit/total", GPUC__SMI_ECC_DOUBLE_BIT},
    {"ecc_errors/volatile/dram_correctable", GPUC__SMI_ECC_DRAM_CORRECTED},
    {"ecc_errors/volatile/dram_uncorrectable", GPUC__SMI_ECC_DRAM},
    {"ecc_errors/volatile/single_bit/total", GPUC__SMI_ECC_SINGLE_BIT},
    {"ecc_errors/volatile/sram_correctable", GPUC__SMI_ECC_SRAM_CORRECTED},
    {"ecc_errors/volatile/sram_uncorrectable", GPUC__SMI_ECC_SRAM},
    {"ecc_errors/volatile/sram_uncorrectable_parity", GPUC__SMI_ECC_SRAM_PARITY},
    {"ecc_errors/volatile/sram_uncorrectable_sec_ded", GPUC__SMI_ECC_SRAM_SECDED},
    {"ecc_errors/volatile/sram_uncorrectable_secded", GPUC__SMI_ECC_SRAM_SECDED},
    {"ecc_mode/current", GPUC__SMI_ECC_MODE},
    {"ecc_mode/current_ecc", GPUC__SMI_ECC_MODE},
    {"ecc_mode/pending", GPUC__SMI_ECC_MODE_PENDING},
    {"ecc_mode/pending_ecc", GPUC__SMI_ECC_MODE_PENDING},
    {"fabric/cliqueId", GPUC__SMI_FABRIC_CLIQUE},
    {"fabric/cliqueid", GPUC__SMI_FABRIC_CLIQUE},
    {"fabric/clusterUuid", GPUC__SMI_FABRIC_CLUSTER},
    {"fabric/clusteruuid", GPUC__SMI_FABRIC_CLUSTER},
    {"fabric/health/summary", GPUC__SMI_FABRIC_HEALTH},
    {"fabric/state", GPUC__SMI_FABRIC_STATE},
    {"fabric/status", GPUC__SMI_FABRIC_STATUS},
    {"fan_speed", GPUC__SMI_FAN},
    {"fb_memory_usage/free", GPUC__SMI_MEMORY_FREE},
    {"fb_memory_usage/reserved", GPUC__SMI_MEMORY_RESERVED},
    {"fb_memory_usage/total", GPUC__SMI_MEMORY_TOTAL},
    {"fb_memory_usage/used", GPUC__SMI_MEMORY_USED},
    {"gpu_part_number", GPUC__SMI_GPU_PART},
    {"gpu_power_readings/average_power_draw", GPUC__SMI_POWER_AVERAGE},
    {"gpu_power_readings/current_power_limit", GPUC__SMI_POWER_LIMIT},
    {"gpu_power_readings/default_power_limit", GPUC__SMI_POWER_DEFAULT},
    {"gpu_power_readings/enforced_power_limit", GPUC__SMI_POWER_LIMIT},
    {"gpu_power_readings/gpu_ceiling_power_limit/current_power_limit", GPUC__SMI_POWER_LIMIT},
    {"gpu_power_readings/gpu_ceiling_power_limit/default_power_limit", GPUC__SMI_POWER_DEFAULT},
    {"gpu_power_readings/instant_power_draw", GPUC__SMI_POWER_DRAW},
    {"gpu_power_readings/instantaneous_power_draw", GPUC__SMI_POWER_DRAW},
    {"gpu_power_readings/max_power_limit", GPUC__SMI_POWER_MAX},
    {"gpu_power_readings/power_draw", GPUC__SMI_POWER_DRAW},
    {"gpu_recovery_action", GPUC__SMI_RECOVERY_ACTION},
    {"gpu_reset_status/drain_and_reset_recommended", GPUC__SMI_RESET_RECOMMENDED},
    {"gpu_reset_status/reset_required", GPUC__SMI_RESET_REQUIRED},
    {"gpu_uuid", GPUC__SMI_UUID},
    {"gpu_virtualization_mode/virtualization_mode", GPUC__SMI_VIRTUALIZATION},
    {"gsp_firmware_version", GPUC__SMI_GSP_FIRMWARE},
    {"inforom_version/image_version", GPUC__SMI_INFOROM_IMAGE},
    {"inforom_version/img_version", GPUC__SMI_INFOROM_IMAGE},
    {"max_clocks/graphics", GPUC__SMI_CLOCK_GRAPHICS_MAX},
    {"max_clocks/graphics_clock", GPUC__SMI_CLOCK_GRAPHICS_MAX},
    {"max_clocks/mem_clock", GPUC__SMI_CLOCK_MEMORY_MAX},
    {"max_clocks/memory", GPUC__SMI_CLOCK_MEMORY_MAX},
    {"max_clocks/sm", GPUC__SMI_CLOCK_SM_MAX},
    {"max_clocks/sm_clock", GPUC__SMI_CLOCK_SM_MAX},
    {"memory_usage/free", GPUC__SMI_MEMORY_FREE},
    {"memory_usage/total", GPUC__SMI_MEMORY_TOTAL},
    {"memory_usage/used", GPUC__SMI_MEMORY_USED},
    {"mig_mode/current", GPUC__SMI_MIG},
    {"mig_mode/current_mig", GPUC__SMI_MIG},
    {"mig_mode/pending", GPUC__SMI_MIG_PENDING},
    {"mig_mode/pending_mig", GPUC__SMI_MIG_PENDING},
    {"minor_number", GPUC__SMI_MINOR},
    {"pci/bus_id", GPUC__SMI_PCI_BUS_ID},
    {"pci/device_id", GPUC__SMI_PCI_DEVICE_ID},
    {"pci/gpu_link_info/link_width/current", GPUC__SMI_PCIE_WIDTH},
    {"pci/gpu_link_info/link_width/max", GPUC__SMI_PCIE_WIDTH_MAX},
    {"pci/gpu_link_info/pcie_generation/current", GPUC__SMI_PCIE_GEN},
    {"pci/gpu_link_info/pcie_generation/device_max", GPUC__SMI_PCIE_GEN_DEVICE_MAX},
    {"pci/gpu_link_info/pcie_generation/host_max", GPUC__SMI_PCIE_GEN_HOST_MAX},
    {"pci/gpu_link_info/pcie_generation/max", GPUC__SMI_PCIE_GEN_MAX},
    {"pci/pci_bus_id", GPUC__SMI_PCI_BUS_ID},
    {"pci/pci_device_id", GPUC__SMI_PCI_DEVICE_ID},
    {"pci/pci_gpu_link_info/link_widths/current_link_width", GPUC__SMI_PCIE_WIDTH},
    {"pci/pci_gpu_link_info/link_widths/max_link_width", GPUC__SMI_PCIE_WIDTH_MAX},
    {"pci/pci_gpu_link_info/pcie_gen/current_link_gen", GPUC__SMI_PCIE_GEN},
    {"pci/pci_gpu_link_info/pcie_gen/max_device_link_gen", GPUC__SMI_PCIE_GEN_DEVICE_MAX},
    {"pci/pci_gpu_link_info/pcie_gen/max_host_link_gen", GPUC__SMI_PCIE_GEN_HOST_MAX},
    {"pci/pci_gpu_link_info/pcie_gen/max_link_gen", GPUC__SMI_PCIE_GEN_MAX},
    {"pci/pci_sub_system_id", GPUC__SMI_PCI_SUBSYSTEM_ID},
    {"pci/replay_counter", GPUC__SMI_PCIE_REPLAYS},
    {"pci/replays_since_reset", GPUC__SMI_PCIE_REPLAYS},
    {"pci/sub_system_id", GPUC__SMI_PCI_SUBSYSTEM_ID},
    {"performance_state", GPUC__SMI_PSTATE},
    {"persistence_mode", GPUC__SMI_PERSISTENCE},
    {"power_readings/default_power_limit", GPUC__SMI_POWER_DEFAULT},
    {"power_readings/enforced_power_limit", GPUC__SMI_POWER_LIMIT},
    {"power_readings/max_power_limit", GPUC__SMI_POWER_MAX},
    {"power_readings/power_draw", GPUC__SMI_POWER_DRAW},
    {"power_readings/power_limit", GPUC__SMI_POWER_LIMIT},
    {"prod_name", GPUC__SMI_PRODUCT},
    {"product_architecture", GPUC__SMI_ARCHITECTURE},
    {"product_brand", GPUC__SMI_BRAND},
    {"product_name", GPUC__SMI_PRODUCT},
    {"pstate", GPUC__SMI_PSTATE},
    {"remapped_banks/bank_remapper_active_remappings", GPUC__SMI_BANKS_REMAPPED},
    {"remapped_banks/bank_remapper_histogram/bank_remapper_histogram_max",
     GPUC__SMI_BANK_GROUPS_MAX},
    {"remapped_banks/bank_remapper_histogram/bank_remapper_histogram_none",
     GPUC__SMI_BANK_GROUPS_NONE},
    {"remapped_banks/bank_remapper_inactive_remappings", GPUC__SMI_BANKS_REMAPPED_INACTIVE},
    {"remapped_banks/bank_remapper_pending", GPUC__SMI_BANKS_PENDING},
    {"remapped_rows/bank_remap_availability_histogram/high", GPUC__SMI_REMAP_BANKS_HIGH},
    {"remapped_rows/bank_remap_availability_histogram/low", GPUC__SMI_REMAP_BANKS_LOW},
    {"remapped_rows/bank_remap_availability_histogram/max", GPUC__SMI_REMAP_BANKS_MAX},
    {"remapped_rows/bank_remap_availability_histogram/none", GPUC__SMI_REMAP_BANKS_NONE},
    {"remapped_rows/bank_remap_availability_histogram/partial", GPUC__SMI_REMAP_BANKS_PARTIAL},
    {"remapped_rows/correctable_error", GPUC__SMI_REMAPPED_CORRECTABLE},
    {"remapped_rows/inactive_correctable_error", GPUC__SMI_REMAPPED_CORRECTABLE_INACTIVE},
    {"remapped_rows/inactive_uncorrectable_error", GPUC__SMI_REMAPPED_UNCORRECTABLE_INACTIVE},
    {"remapped_rows/pending", GPUC__SMI_REMAPPED_PENDING},
    {"remapped_rows/remapped_row_corr", GPUC__SMI_REMAPPED_CORRECTABLE},
    {"remapped_rows/remapped_row_corr_inactive", GPUC__SMI_REMAPPED_CORRECTABLE_INACTIVE},
    {"remapped_rows/remapped_row_failure", GPUC__SMI_REMAPPED_FAILURE},
    {"remapped_rows/remapped_row_pending", GPUC__SMI_REMAPPED_PENDING},
    {"remapped_rows/remapped_row_unc", GPUC__SMI_REMAPPED_UNCORRECTABLE},
    {"remapped_rows/remapped_row_unc_inactive", GPUC__SMI_REMAPPED_UNCORRECTABLE_INACTIVE},
    {"remapped_rows/remapping_failure_occurred", GPUC__SMI_REMAPPED_FAILURE},
    {"remapped_rows/row_remapper_histogram/row_remapper_histogram_high",
     GPUC__SMI_REMAP_BANKS_HIGH},
    {"remapped_rows/row_remapper_histogram/row_remapper_histogram_low", GPUC__SMI_REMAP_BANKS_LOW},
    {"remapped_rows/row_remapper_histogram/row_remapper_histogram_max", GPUC__SMI_REMAP_BANKS_MAX},
    {"remapped_rows/row_remapper_histogram/row_remapper_histogram_none",
     GPUC__SMI_REMAP_BANKS_NONE},
    {"remapped_rows/row_remapper_histogram/row_remapper_histogram_partial",
     GPUC__SMI_REMAP_BANKS_PARTIAL},
    {"remapped_rows/uncorrectable_error", GPUC__SMI_REMAPPED_UNCORRECTABLE},
    {"retired_pages/double_bit_ecc", GPUC__SMI_RETIRED_DOUBLE_BIT},
    {"retired_pages/double_bit_retirement/retired_count", GPUC__SMI_RETIRED_DOUBLE_BIT},
    {"retired_pages/multiple_single_bit_retirement/retired_count", GPUC__SMI_RETIRED_SINGLE_BIT},
    {"retired_pages/pending", GPUC__SMI_RETIRED_PENDING},
    {"retired_pages/pending_blacklist", GPUC__SMI_RETIRED_PENDING},
    {"retired_pages/pending_page_blacklist", GPUC__SMI_RETIRED_PENDING},
    {"retired_pages/pending_retirement", GPUC__SMI_RETIRED_PENDING},
    {"retired_pages/single_bit_ecc", GPUC__SMI_RETIRED_SINGLE_BIT},
    {"serial", GPUC__SMI_SERIAL},
    {"serial_number", GPUC__SMI_SERIAL},
    {"temperature/gpu", GPUC__SMI_TEMPERATURE},
    {"temperature/gpu_current_t_limit_temp", GPUC__SMI_TEMPERATURE_MARGIN},
    {"temperature/gpu_current_temp", GPUC__SMI_TEMPERATURE},
    {"temperature/gpu_max_operating_temp", GPUC__SMI_TEMPERATURE_OPERATING},
    {"temperature/gpu_shutdown_t_limit_temp", GPUC__SMI_TEMPERATURE_SHUTDOWN_MARGIN},
    {"temperature/gpu_shutdown_temp", GPUC__SMI_TEMPERATURE_SHUTDOWN},
    {"temperature/gpu_slowdown_t_limit_temp", GPUC__SMI_TEMPERATURE_SLOWDOWN_MARGIN},
    {"temperature/gpu_slowdown_temp", GPUC__SMI_TEMPERATURE_SLOWDOWN},
    {"temperature/gpu_t_limit_temp", GPUC__SMI_TEMPERATURE_MARGIN},
    {"temperature/gpu_temp", GPUC__SMI_TEMPERATURE},
    {"temperature/gpu_temp_max_gpu_threshold", GPUC__SMI_TEMPERATURE_OPERATING},
    {"temperature/gpu_temp_max_mem_threshold", GPUC__SMI_TEMPERATURE_MEMORY_OPERATING},
    {"temperature/gpu_temp_max_threshold", GPUC__SMI_TEMPERATURE_SHUTDOWN},
    {"temperature/gpu_temp_max_tlimit_threshold", GPUC__SMI_TEMPERATURE_SHUTDOWN_MARGIN},
    {"temperature/gpu_temp_slow_threshold", GPUC__SMI_TEMPERATURE_SLOWDOWN},
    {"temperature/gpu_temp_slow_tlimit_threshold", GPUC__SMI_TEMPERATURE_SLOWDOWN_MARGIN},
    {"temperature/gpu_temp_tlimit", GPUC__SMI_TEMPERATURE_MARGIN},
    {"temperature/memory_current_temp", GPUC__SMI_TEMPERATURE_MEMORY},
    {"temperature/memory_max_operating_temp", GPUC__SMI_TEMPERATURE_MEMORY_OPERATING},
    {"temperature/memory_temp", GPUC__SMI_TEMPERATURE_MEMORY},
    {"utilization/gpu", GPUC__SMI_UTILIZATION},
    {"utilization/gpu_util", GPUC__SMI_UTILIZATION},
    {"utilization/memory", GPUC__SMI_UTILIZATION_MEMORY},
    {"utilization/memory_util", GPUC__SMI_UTILIZATION_MEMORY},
    {"uuid", GPUC__SMI_UUID},
    {"vbios_version", GPUC__SMI_VBIOS},
};

static const gpuc__smi_path mig_paths[] = {
    {"compute_instance_id", GPUC__SMI_MIG_CI},
    {"device_attributes/shared/multiprocessor_count", GPUC__SMI_MIG_SMS},
    {"ecc_error_count/volatile_count/sram_uncorrectable", GPUC__SMI_MIG_ECC_SRAM},
    {"ecc_errors/volatile/sram_uncorrectable", GPUC__SMI_MIG_ECC_SRAM},
    {"fb_memory_usage/total", GPUC__SMI_MIG_MEMORY_TOTAL},
    {"fb_memory_usage/used", GPUC__SMI_MIG_MEMORY_USED},
    {"gpu_instance_id", GPUC__SMI_MIG_GI},
    {"index", GPUC__SMI_MIG_INDEX},
    {"mig_device_uuid", GPUC__SMI_MIG_UUID},
    {"name", GPUC__SMI_MIG_PROFILE},
    {"profile", GPUC__SMI_MIG_PROFILE},
    {"shared_fb_memory_usage/total", GPUC__SMI_MIG_MEMORY_TOTAL},
    {"shared_fb_memory_usage/used", GPUC__SMI_MIG_MEMORY_USED},
    {"uuid", GPUC__SMI_MIG_UUID},
};

static const gpuc__smi_path log_columns[] = {
    {"count", GPUC__SMI_ATTACHED_GPUS},
    {"driver_version", GPUC__SMI_DRIVER_VERSION},
    {"kmd_version", GPUC__SMI_DRIVER_VERSION},
    {"timestamp", GPUC__SMI_TIMESTAMP},
};

static const gpuc__smi_path gpu_columns[] = {
    {"clocks.current.graphics", GPUC__SMI_CLOCK_GRAPHICS},
    {"clocks.current.memory", GPUC__SMI_CLOCK_MEMORY},
    {"clocks.current.sm", GPUC__SMI_CLOCK_SM},
    {"clocks.gr", GPUC__SMI_CLOCK_GRAPHICS},
    {"clocks.max.gr", GPUC__SMI_CLOCK_GRAPHICS_MAX},
    {"clocks.max.graphics", GPUC__SMI_CLOCK_GRAPHICS_MAX},
    {"clocks.max.mem", GPUC__SMI_CLOCK_MEMORY_MAX},
    {"clocks.max.memory", GPUC__SMI_CLOCK_MEMORY_MAX},
    {"clocks.max.sm", GPUC__SMI_CLOCK_SM_MAX},
    {"clocks.mem", GPUC__SMI_CLOCK_MEMORY},
    {"clocks.sm", GPUC__SMI_CLOCK_SM},
    {"clocks_event_reasons.active", GPUC__SMI_THROTTLE_MASK},
    {"clocks_event_reasons.applications_clocks_setting", GPUC__SMI_THROTTLE_APPLICATION},
    {"clocks_event_reasons.gpu_idle", GPUC__SMI_THROTTLE_IDLE},
    {"clocks_event_reasons.hw_power_brake_slowdown", GPUC__SMI_THROTTLE_HW_POWER_BRAKE},
    {"clocks_event_reasons.hw_slowdown", GPUC__SMI_THROTTLE_HW_SLOWDOWN},
    {"clocks_event_reasons.hw_thermal_slowdown", GPUC__SMI_THROTTLE_HW_THERMAL},
    {"clocks_event_reasons.sw_power_cap", GPUC__SMI_THROTTLE_POWER_CAP},
    {"clocks_event_reasons.sw_thermal_slowdown", GPUC__SMI_THROTTLE_SW_THERMAL},
    {"clocks_event_reasons.sync_boost", GPUC__SMI_THROTTLE_SYNC_BOOST},
    {"clocks_throttle_reasons.active", GPUC__SMI_THROTTLE_MASK},
    {"clocks_throttle_reasons.applications_clocks_setting", GPUC__SMI_THROTTLE_APPLICATION},
    {"clocks_throttle_reasons.gpu_idle", GPUC__SMI_THROTTLE_IDLE},
    {"clocks_throttle_reasons.hw_power_brake_slowdown", GPUC__SMI_THROTTLE_HW_POWER_BRAKE},
    {"clocks_throttle_reasons.hw_slowdown", GPUC__SMI_THROTTLE_HW_SLOWDOWN},
    {"clocks_throttle_reasons.hw_thermal_slowdown", GPUC__SMI_THROTTLE_HW_THERMAL},
    {"clocks_throttle_reasons.sw_power_cap", GPUC__SMI_THROTTLE_POWER_CAP},
    {"clocks_throttle_reasons.sw_thermal_slowdown", GPUC__SMI_THROTTLE_SW_THERMAL},
    {"clocks_throttle_reasons.sync_boost", GPUC__SMI_THROTTLE_SYNC_BOOST},
    {"compute_cap", GPUC__SMI_COMPUTE_CAPABILITY},
    {"compute_mode", GPUC__SMI_COMPUTE_MODE},
    {"display_active", GPUC__SMI_DISPLAY_ACTIVE},
    {"driver_model.current", GPUC__SMI_DRIVER_MODEL},
    {"ecc.errors.corrected.aggregate.dram", GPUC__SMI_ECC_AGGREGATE_DRAM_CORRECTED},
    {"ecc.errors.corrected.aggregate.sram", GPUC__SMI_ECC_AGGREGATE_SRAM_CORRECTED},
    {"ecc.errors.corrected.aggregate.total", GPUC__SMI_ECC_AGGREGATE_CORRECTED_TOTAL},
    {"ecc.errors.corrected.volatile.dram", GPUC__SMI_ECC_DRAM_CORRECTED},
    {"ecc.errors.corrected.volatile.sram", GPUC__SMI_ECC_SRAM_CORRECTED},
    {"ecc.errors.corrected.volatile.total", GPUC__SMI_ECC_CORRECTED_TOTAL},
    {"ecc.errors.uncorrected.aggregate.dram", GPUC__SMI_ECC_AGGREGATE_DRAM},
    {"ecc.errors.uncorrected.aggregate.sram", GPUC__SMI_ECC_AGGREGATE_SRAM},
    {"ecc.errors.uncorrected.aggregate.sram.parity", GPUC__SMI_ECC_AGGREGATE_SRAM_PARITY},
    {"ecc.errors.uncorrected.aggregate.sram.secded", GPUC__SMI_ECC_AGGREGATE_SRAM_SECDED},
    {"ecc.errors.uncorrected.aggregate.sram.thresholdExceeded", GPUC__SMI_ECC_SRAM_THRESHOLD},
    {"ecc.errors.uncorrected.aggregate.total", GPUC__SMI_ECC_AGGREGATE_TOTAL},
    {"ecc.errors.uncorrected.volatile.dram", GPUC__SMI_ECC_DRAM},
    {"ecc.errors.uncorrected.volatile.sram", GPUC__SMI_ECC_SRAM},
    {"ecc.errors.uncorrected.volatile.sram.parity", GPUC__SMI_ECC_SRAM_PARITY},
    {"ecc.errors.uncorrected.volatile.sram.secded", GPUC__SMI_ECC_SRAM_SECDED},
    {"ecc.errors.uncorrected.volatile.total", GPUC__SMI_ECC_TOTAL},
    {"ecc.mode.current", GPUC__SMI_ECC_MODE},
    {"ecc.mode.pending", GPUC__SMI_ECC_MODE_PENDING},
    {"enforced.power.limit", GPUC__SMI_POWER_LIMIT},
    {"fabric.cliqueId", GPUC__SMI_FABRIC_CLIQUE},
    {"fabric.clusterUuid", GPUC__SMI_FABRIC_CLUSTER},
    {"fabric.health.summary", GPUC__SMI_FABRIC_HEALTH},
    {"fabric.state", GPUC__SMI_FABRIC_STATE},
    {"fabric.status", GPUC__SMI_FABRIC_STATUS},
    {"fan.speed", GPUC__SMI_FAN},
    {"gpu_bus_id", GPUC__SMI_PCI_BUS_ID},
    {"gpu_name", GPUC__SMI_PRODUCT},
    {"gpu_recovery_action", GPUC__SMI_RECOVERY_ACTION},
    {"gpu_serial", GPUC__SMI_SERIAL},
    {"gpu_uuid", GPUC__SMI_UUID},
    {"inforom.checksum_validation", GPUC__SMI_INFOROM_CHECKSUM},
    {"inforom.image", GPUC__SMI_INFOROM_IMAGE},
    {"inforom.img", GPUC__SMI_INFOROM_IMAGE},
    {"memory.free", GPUC__SMI_MEMORY_FREE},
    {"memory.reserved", GPUC__SMI_MEMORY_RESERVED},
    {"memory.total", GPUC__SMI_MEMORY_TOTAL},
    {"memory.used", GPUC__SMI_MEMORY_USED},
    {"mig.mode.current", GPUC__SMI_MIG},
    {"mig.mode.pending", GPUC__SMI_MIG_PENDING},
    {"name", GPUC__SMI_PRODUCT},
    {"pci.bus_id", GPUC__SMI_PCI_BUS_ID},
    {"pci.device_id", GPUC__SMI_PCI_DEVICE_ID},
    {"pci.sub_device_id", GPUC__SMI_PCI_SUBSYSTEM_ID},
    {"pcie.link.gen.current", GPUC__SMI_PCIE_GEN},
    {"pcie.link.gen.gpumax", GPUC__SMI_PCIE_GEN_DEVICE_MAX},
    {"pcie.link.gen.hostmax", GPUC__SMI_PCIE_GEN_HOST_MAX},
    {"pcie.link.gen.max", GPUC__SMI_PCIE_GEN_MAX},
    {"pcie.link.width.current", GPUC__SMI_PCIE_WIDTH},
    {"pcie.link.width.max", GPUC__SMI_PCIE_WIDTH_MAX},
    {"persistence_mode", GPUC__SMI_PERSISTENCE},
    {"power.default_limit", GPUC__SMI_POWER_DEFAULT},
    {"power.draw", GPUC__SMI_POWER_DRAW},
    {"power.draw.average", GPUC__SMI_POWER_AVERAGE},
    {"power.draw.instant", GPUC__SMI_POWER_DRAW},
    {"power.limit", GPUC__SMI_POWER_LIMIT},
    {"power.max_limit", GPUC__SMI_POWER_MAX},
    {"pstate", GPUC__SMI_PSTATE},
    {"remapped_rows.correctable", GPUC__SMI_REMAPPED_CORRECTABLE},
    {"remapped_rows.correctable_inactive", GPUC__SMI_REMAPPED_CORRECTABLE_INACTIVE},
    {"remapped_rows.failure", GPUC__SMI_REMAPPED_FAILURE},
    {"remapped_rows.histogram.high", GPUC__SMI_REMAP_BANKS_HIGH},
    {"remapped_rows.histogram.low", GPUC__SMI_REMAP_BANKS_LOW},
    {"remapped_rows.histogram.max", GPUC__SMI_REMAP_BANKS_MAX},
    {"remapped_rows.histogram.none", GPUC__SMI_REMAP_BANKS_NONE},
    {"remapped_rows.histogram.partial", GPUC__SMI_REMAP_BANKS_PARTIAL},
    {"remapped_rows.pending", GPUC__SMI_REMAPPED_PENDING},
    {"remapped_rows.uncorrectable", GPUC__SMI_REMAPPED_UNCORRECTABLE},
    {"remapped_rows.uncorrectable_inactive", GPUC__SMI_REMAPPED_UNCORRECTABLE_INACTIVE},
    {"reset_status.drain_and_reset_recommended", GPUC__SMI_RESET_RECOMMENDED},
    {"reset_status.reset_required", GPUC__SMI_RESET_REQUIRED},
    {"retired_pages.dbe", GPUC__SMI_RETIRED_DOUBLE_BIT},
    {"retired_pages.double_bit.count", GPUC__SMI_RETIRED_DOUBLE_BIT},
    {"retired_pages.pending", GPUC__SMI_RETIRED_PENDING},
    {"retired_pages.sbe", GPUC__SMI_RETIRED_SINGLE_BIT},
    {"retired_pages.single_bit_ecc.count", GPUC__SMI_RETIRED_SINGLE_BIT},
    {"serial", GPUC__SMI_SERIAL},
    {"temperature.gpu", GPUC__SMI_TEMPERATURE},
    {"temperature.gpu.tlimit", GPUC__SMI_TEMPERATURE_MARGIN},
    {"temperature.memory", GPUC__SMI_TEMPERATURE_MEMORY},
    {"utilization.gpu", GPUC__SMI_UTILIZATION},
    {"utilization.memory", GPUC__SMI_UTILIZATION_MEMORY},
    {"uuid", GPUC__SMI_UUID},
    {"vbios_version", GPUC__SMI_VBIOS},
};

static const struct {
    const gpuc__smi_path *rows;
    size_t count;
} tables[GPUC__SMI_TABLES] = {
    [GPUC__SMI_LOG_PATHS] = {log_paths, COUNT(log_paths)},
    [GPUC__SMI_GPU_PATHS] = {gpu_paths, COUNT(gpu_paths)},
    [GPUC__SMI_MIG_PATHS] = {mig_paths, COUNT(mig_paths)},
    [GPUC__SMI_LOG_COLUMNS] = {log_columns, COUNT(log_columns)},
    [GPUC__SMI_GPU_COLUMNS] = {gpu_columns, COUNT(gpu_columns)},
};

const gpuc__smi_path *gpuc__smi_names(gpuc__smi_table table, size_t *count)
{
    *count = tables[table].count;
    return tables[table].rows;
}

/* The first row whose path is not below the text. */
static size_t lower_bound(const gpuc__smi_path *rows, size_t count, const char *path)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(rows[middle].path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int gpuc__smi_field_of(gpuc__smi_table table, const char *path)
{
    const gpuc__smi_path *rows = tables[table].rows;
    size_t at = lower_bound(rows, tables[table].count, path);

    return at < tables[table].count && strcmp(rows[at].path, path) == 0 ? rows[at].field : -1;
}

gpuc__smi_rows gpuc__smi_rows_all(gpuc__smi_table table)
{
    return (gpuc__smi_rows){0, (unsigned short)tables[table].count, 0};
}

/* The row's next part against the name: below, equal to or above zero. In paths '/' sorts before all
 * that names are made of, so that equal ones stand together. */
static int compare_part(const char *part, const char *name, size_t length)
{
    int order = (unsigned char)part[0] - (unsigned char)name[0]; /* most differ there */

    if (!order)
        order = strncmp(part, name, length);
    return order ? order : part[length] != '\0' && part[length] != '/';
}

gpuc__smi_rows gpuc__smi_rows_enter(gpuc__smi_table table, gpuc__smi_rows from, const char *name,
                                    size_t length)
{
    const gpuc__smi_path *rows = tables[table].rows;
    size_t low = from.low, high = from.high, end;

    if (low < high && from.length && rows[low].path[from.length - 1] == '\0')
        low++; /* the one that has ended */
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare_part(rows[middle].path + from.length, name, length) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (end = low; end < from.high; end++) {
        if (compare_part(rows[end].path + from.length, name, length) != 0)
            break;
    }
    return (gpuc__smi_rows){(unsigned short)low, (unsigned short)end,
                            (unsigned short)(from.length + length + 1)};
}

int gpuc__smi_rows_field(gpuc__smi_table table, gpuc__smi_rows rows)
{
    const gpuc__smi_path *row = &tables[table].rows[rows.low];

    /* shorter by the '/' that its end has not */
    return rows.low < rows.high && row->path[rows.length - 1] == '\0' ? row->field : -1;
}

void gpuc__smi_fields_below(gpuc__smi_value *values, gpuc__smi_table table, const char *path,
                            gpuc__smi_state state)
{
    const gpuc__smi_path *rows = tables[table].rows;
    size_t length = strlen(path);

    for (size_t i = lower_bound(rows, tables[table].count, path); i < tables[table].count; i++) {
        if (strncmp(rows[i].path, path, length) != 0)
            break;
        if (rows[i].path[length] == '/' && values[rows[i].field].state == GPUC__SMI_UNKNOWN)
            values[rows[i].field].state = state;
    }
}
