"""params.yaml as frozen, validated objects; nothing else says what it may contain."""

from __future__ import annotations

from churn.core.params.deployed import (
    BatchParams as BatchParams,
)
from churn.core.params.deployed import (
    CanaryParams as CanaryParams,
)
from churn.core.params.deployed import (
    CardParams as CardParams,
)
from churn.core.params.deployed import (
    EffectsParams as EffectsParams,
)
from churn.core.params.deployed import (
    MonitorParams as MonitorParams,
)
from churn.core.params.deployed import (
    ReleaseParams as ReleaseParams,
)
from churn.core.params.deployed import (
    RetrainParams as RetrainParams,
)
from churn.core.params.deployed import (
    ServeParams as ServeParams,
)
from churn.core.params.judging import (
    Check as Check,
)
from churn.core.params.judging import (
    ChecksParams as ChecksParams,
)
from churn.core.params.judging import (
    ComparisonParams as ComparisonParams,
)
from churn.core.params.judging import (
    EvaluationParams as EvaluationParams,
)
from churn.core.params.judging import (
    GatesParams as GatesParams,
)
from churn.core.params.judging import (
    ImportanceParams as ImportanceParams,
)
from churn.core.params.judging import (
    Limits as Limits,
)
from churn.core.params.judging import (
    SlicesParams as SlicesParams,
)
from churn.core.params.model import (
    Decision as Decision,
)
from churn.core.params.model import (
    DecisionParams as DecisionParams,
)
from churn.core.params.model import (
    FeaturesParams as FeaturesParams,
)
from churn.core.params.model import (
    FoldsParams as FoldsParams,
)
from churn.core.params.model import (
    ModelParams as ModelParams,
)
from churn.core.params.model import (
    MulticlassDecision as MulticlassDecision,
)
from churn.core.params.model import (
    Ratio as Ratio,
)
from churn.core.params.model import (
    RegressionDecision as RegressionDecision,
)
from churn.core.params.model import (
    RfmColumns as RfmColumns,
)
from churn.core.params.model import (
    SpaceParams as SpaceParams,
)
from churn.core.params.model import (
    TuneParams as TuneParams,
)
from churn.core.params.names import (
    FAMILIES as FAMILIES,
)
from churn.core.params.names import (
    METRICS as METRICS,
)
from churn.core.params.names import (
    FairnessName as FairnessName,
)
from churn.core.params.names import (
    Family as Family,
)
from churn.core.params.names import (
    GatedName as GatedName,
)
from churn.core.params.names import (
    MetricName as MetricName,
)
from churn.core.params.names import (
    TaskName as TaskName,
)
from churn.core.params.section import Margin as Margin
from churn.core.params.section import Scalar as Scalar
from churn.core.params.section import Section as Section
from churn.core.params.table import (
    ROW_NUMBER as ROW_NUMBER,
)
from churn.core.params.table import (
    Columns as Columns,
)
from churn.core.params.table import (
    CsvParams as CsvParams,
)
from churn.core.params.table import (
    DataParams as DataParams,
)
from churn.core.params.table import (
    DvcAddress as DvcAddress,
)
from churn.core.params.table import (
    SplitParams as SplitParams,
)
from churn.core.params.table import (
    TrainParams as TrainParams,
)
from churn.core.params.whole import BY_TASK as BY_TASK
from churn.core.params.whole import Overrides as Overrides
from churn.core.params.whole import Params as Params
from churn.core.params.whole import flatten as flatten
from churn.core.params.whole import load as load
