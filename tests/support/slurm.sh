#!/usr/bin/env bash
# A SLURM of its own: one node, four processors, two partitions of which `urgent` puts the other's jobs back into the queue.
#   bash slurm.sh start FOLDER    as root, without systemd; SLURM_CONF=FOLDER/slurm.conf then leads any command of SLURM to it
#   bash slurm.sh stop FOLDER
# Debian and Ubuntu: apt-get install slurm-wlm. Nothing outside FOLDER is written.
set -euo pipefail
folder=$2
export SLURM_CONF=$folder/slurm.conf
if [ "$1" = stop ]; then
    for daemon in slurmd slurmctld munged; do
        if [ -s "$folder/$daemon.pid" ]; then kill "$(cat "$folder/$daemon.pid")" || true; fi
    done
    exit
fi
mkdir -p "$folder/state" "$folder/spool" "$folder/munge"
chmod 755 "$folder" "$folder/munge"
free_port() { python3 -c "import socket; s = socket.socket(); s.bind(('', 0)); print(s.getsockname()[1])"; }
head -c 1024 /dev/urandom >"$folder/munge/key"
chmod 400 "$folder/munge/key"
munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/munged.pid" \
    --log-file="$folder/munge/log" --seed-file="$folder/munge/seed" 2>"$folder/munge/warnings"
# cred_expire: a job that was put back begins again after so many seconds, not 120
# OverMemoryKill: by what is counted every two seconds; cgroups would need a system that gives them
cat >"$SLURM_CONF" <<CONF
ClusterName=tests
SlurmctldHost=$(hostname -s)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket,cred_expire=5
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
ReturnToService=2
KillWait=5
MpiDefault=none
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SlurmdParameters=config_overrides
NodeName=$(hostname -s) CPUs=4 RealMemory=16000 State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=urgent Nodes=ALL PriorityTier=10 MaxTime=INFINITE State=UP
CONF
slurmctld
slurmd
for _ in $(seq 60); do
    if [ "$(sinfo --noheader --partition=debug --format=%t 2>/dev/null)" = idle ]; then exit; fi
    sleep 1
done
echo "no node of this SLURM is idle:" >&2
tail -5 "$folder"/slurm*.log >&2
exit 1
