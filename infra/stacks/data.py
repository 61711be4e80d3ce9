"""The stack of what lasts: database, tables, rulesets, queues, secrets, and their key."""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secrets
from aws_cdk import aws_sqs as sqs
from aws_cdk.region_info import RegionInfo
from constructs import Construct

from infra.nag_suppressions import suppress
from infra.stacks.environment import EnvironmentStack
from infra.stacks.network import Network
from tuppence.capacity.environments import Environment

BALANCER_LOGS: Final = "balancer"
"""Prefix of the load balancer's access logs."""
KEPT_DAYS: Final = 30
"""Days for which files are kept after they were taken in or refused."""
NOTIFIERS: Final = (
    "cloudwatch.amazonaws.com",
    "budgets.amazonaws.com",
    "events.rds.amazonaws.com",
)
"""AWS services that send notifications to the encrypted topic of alarms."""


class Data(EnvironmentStack):
    """The data stores.

    Attributes:
        key: Key that encrypts all of them.
        database: Aurora PostgreSQL, the system of record.
        login: User and password of the relay's read-only login.
        feed_login: User and password of the login of the service of feeds.
        feed_keys: Keys of customers' tokens, which an operator puts there.
        feed_operator: Token of whoever withdraws rules from feeds.
        feeds: Table of what is kept of feeds.
        loader_login: User and password of the login that loads facts.
        results: Table of results.
        ledger: Table of the ledger.
        rulesets: Bucket of rulesets.
        inbox: Bucket in which files of banks arrive.
        store: Bucket of the store that nights by parts evaluate. It keeps no versions, so that an
            erasure leaves nothing.
        access_logs: Bucket of access logs.
        relay_token: Token for callers of the relay.
        engines_token: Token for callers of the engines.
        customer_queue: Queue of pages.
        invoke_queue: Queue of work items.
        pseudonyms: Secret from which the names of customers in logs are made.
        dead_pages: Queue of pages that the queue of pages gave up.
        dead_items: Queue of items that the queue of items gave up.
        dead_schedules: Queue of calls of functions that the scheduler gave up.
    """

    def __init__(
        self,
        scope: Construct,
        environment: Environment,
        network: Network,
    ) -> None:
        super().__init__(scope, environment, "data")
        self._removal = cdk.RemovalPolicy.RETAIN if environment.keep else cdk.RemovalPolicy.DESTROY
        self.key = kms.Key(self, "Key", enable_key_rotation=True, removal_policy=self._removal)
        self.key.grant_encrypt_decrypt(iam.ServicePrincipal(f"logs.{self.region}.amazonaws.com"))
        self._allow_notifications()
        self.relay_token = self._token("RelayToken", "callers of the SQL relay")
        self.engines_token = self._token("EnginesToken", "callers of the rules engines")
        self.pseudonyms = self._token("Pseudonyms", "names of customers in logs")
        self.login = rds.DatabaseSecret(self, "RelayLogin", username="relay", dbname="tuppence")
        self.feed_login = rds.DatabaseSecret(self, "FeedLogin", username="feed", dbname="tuppence")
        self.feed_keys = self._token("FeedKeys", "customers of the feed")
        self.feed_operator = self._token("FeedOperator", "operators of the feed")
        self.loader_login = rds.DatabaseSecret(
            self, "LoaderLogin", username="loader", dbname="tuppence"
        )
        self.database = self._database(network)
        warm = dynamodb.WarmThroughput(
            read_units_per_second=environment.warm_reads,
            write_units_per_second=environment.warm_writes,
        )
        self.results = self._table("Results", "customer_id", "rule_id", warm)
        self.ledger = self._table("Ledger", "run_id", "entry", None)
        self.feeds = self._feeds()
        self.access_logs = self._bucket("AccessLogs", s3.BucketEncryption.S3_MANAGED)
        self.access_logs.add_lifecycle_rule(expiration=cdk.Duration.days(90))
        self._allow_balancer_logs()
        self.rulesets = self._bucket("Rulesets", s3.BucketEncryption.KMS)
        self.inbox = self._inbox()
        self.store = self._bucket("Partitions", s3.BucketEncryption.KMS, versioned=False)
        timing = environment.timing
        self.dead_pages = self._queue("DeadPages", timing.rule_visibility)
        self.dead_items = self._queue("DeadItems", timing.rule_visibility, fifo=True)
        self.dead_schedules = self._queue("DeadSchedules")
        self.customer_queue = self._queue(
            "CustomerQueue",
            timing.rule_visibility,
            sqs.DeadLetterQueue(queue=self.dead_pages, max_receive_count=timing.tries),
        )
        self.invoke_queue = self._queue(
            "InvokeQueue",
            timing.invoke_visibility,
            sqs.DeadLetterQueue(queue=self.dead_items, max_receive_count=timing.max_receives),
            fifo=True,
        )
        outputs = {
            "LedgerTable": self.ledger.table_name,
            "ResultsTable": self.results.table_name,
            "FeedsTable": self.feeds.table_name,
            "FeedKeysSecret": self.feed_keys.secret_arn,
            "RulesetsBucket": self.rulesets.bucket_name,
            "InboxBucket": self.inbox.bucket_name,
            "StoreBucket": self.store.bucket_name,
            "PseudonymsSecret": self.pseudonyms.secret_arn,
            "CustomerQueueUrl": self.customer_queue.queue_url,
            "InvokeQueueUrl": self.invoke_queue.queue_url,
            "DeadSchedulesUrl": self.dead_schedules.queue_url,
        }
        for label, value in outputs.items():
            cdk.CfnOutput(self, label, value=value)
        self._suppress_nags()

    def _allow_notifications(self) -> None:
        """Allow alarms, the budget and events to encrypt what they send to topics and queues.

        Without it they are dropped without an error:
        https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html.
        """
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                principals=[
                    iam.ServicePrincipal(name) for name in (*NOTIFIERS, "events.amazonaws.com")
                ],
                resources=["*"],  # in the policy of a key: the key
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )

    def _allow_balancer_logs(self) -> None:
        """Allow load balancers of this account to write access logs; else none can be created.

        In the regions of before August 2022 an account of AWS may write them, too:
        https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html.
        """
        writers: list[iam.IPrincipal] = [
            iam.ServicePrincipal("logdelivery.elasticloadbalancing.amazonaws.com")
        ]
        account = RegionInfo.get(self.region).elbv2_account
        if account is not None:
            writers.append(iam.AccountPrincipal(account))
        self.access_logs.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["s3:PutObject"],
                principals=writers,
                resources=[
                    self.access_logs.arn_for_objects(f"{BALANCER_LOGS}/AWSLogs/{self.account}/*")
                ],
            )
        )

    def _queue(
        self,
        label: str,
        visibility: int | None = None,
        dead: sqs.DeadLetterQueue | None = None,
        *,
        fifo: bool = False,
    ) -> sqs.Queue:
        return sqs.Queue(
            self,
            label,
            fifo=fifo or None,
            deduplication_scope=sqs.DeduplicationScope.MESSAGE_GROUP if fifo else None,
            fifo_throughput_limit=(sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID if fifo else None),
            visibility_timeout=cdk.Duration.seconds(visibility) if visibility else None,
            retention_period=cdk.Duration.days(4 if dead else 14),
            dead_letter_queue=dead,
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=self.key,
            data_key_reuse=cdk.Duration.hours(1),
            enforce_ssl=True,
        )

    def _token(self, label: str, whose: str) -> secrets.Secret:
        return secrets.Secret(
            self,
            label,
            description=f"token of {whose}",
            generate_secret_string=secrets.SecretStringGenerator(
                password_length=43, exclude_punctuation=True
            ),
            removal_policy=self._removal,
        )

    def _database(self, network: Network) -> rds.DatabaseCluster:
        least, most = self._environment.database_units
        readers = [
            rds.ClusterInstance.serverless_v2(f"Reader{number}", scale_with_writer=True)
            for number in range(self._environment.readers)
        ]
        database = rds.DatabaseCluster(
            self,
            "Database",
            engine=rds.DatabaseClusterEngine.aurora_postgres(
                version=rds.AuroraPostgresEngineVersion.VER_17_7
            ),
            writer=rds.ClusterInstance.serverless_v2("Writer"),
            readers=readers,
            serverless_v2_min_capacity=least,
            serverless_v2_max_capacity=most,
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            security_groups=[network.database],
            credentials=rds.Credentials.from_generated_secret("owner"),
            default_database_name="tuppence",
            storage_encrypted=True,
            storage_encryption_key=self.key,
            iam_authentication=True,
            deletion_protection=self._environment.keep,
            backup=rds.BackupProps(retention=cdk.Duration.days(14)),
            cloudwatch_logs_exports=["postgresql"],
            copy_tags_to_snapshot=True,
            removal_policy=(
                cdk.RemovalPolicy.SNAPSHOT if self._environment.keep else cdk.RemovalPolicy.DESTROY
            ),
        )
        self._allow_conversion(database)
        return database

    def _allow_conversion(self, database: rds.DatabaseCluster) -> None:
        """Allow the database to call the function that makes rulesets, when a rule is approved."""
        role = iam.Role(
            self,
            "DatabaseRole",
            assumed_by=iam.ServicePrincipal("rds.amazonaws.com"),
            description="what the database may do",
        )
        statement = iam.PolicyStatement(
            actions=["lambda:InvokeFunction"], resources=[self.convert_function]
        )
        role.add_to_policy(statement)
        cluster = database.node.default_child
        if not isinstance(cluster, rds.CfnDBCluster):
            raise TypeError("the database cluster has no CfnDBCluster as its default child")
        cluster.associated_roles = [
            rds.CfnDBCluster.DBClusterRoleProperty(role_arn=role.role_arn, feature_name="Lambda")
        ]

    @property
    def convert_function(self) -> str:
        """ARN of the function that makes rulesets, built by name: a later stack defines it."""
        return self.format_arn(
            service="lambda",
            resource="function",
            resource_name=f"tuppence-{self._environment.name}-convert",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )

    def _table(
        self, label: str, partition: str, sort: str, warm: dynamodb.WarmThroughput | None
    ) -> dynamodb.Table:
        return dynamodb.Table(
            self,
            label,
            partition_key=dynamodb.Attribute(name=partition, type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name=sort, type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            warm_throughput=warm,
            time_to_live_attribute="expires_at",
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=self.key,
            deletion_protection=self._environment.keep,
            removal_policy=self._removal,
        )

    def _feeds(self) -> dynamodb.Table:
        """Return the table of feeds, with the indexes of deliveries and of the log."""
        table = self._table("Feeds", "owner", "entry", None)
        for name, partition, sort in (("outbox", "outbox", "due"), ("log", "log_part", "log_day")):
            table.add_global_secondary_index(
                index_name=name,
                partition_key=dynamodb.Attribute(
                    name=partition, type=dynamodb.AttributeType.STRING
                ),
                sort_key=dynamodb.Attribute(name=sort, type=dynamodb.AttributeType.NUMBER),
                projection_type=dynamodb.ProjectionType.KEYS_ONLY,
            )
        return table

    def _bucket(
        self, label: str, encryption: s3.BucketEncryption, *, versioned: bool = True
    ) -> s3.Bucket:
        whole = encryption is s3.BucketEncryption.KMS
        return s3.Bucket(
            self,
            label,
            versioned=whole and versioned,
            encryption=encryption,
            encryption_key=self.key if whole else None,
            bucket_key_enabled=whole,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=(
                s3.ObjectOwnership.BUCKET_OWNER_ENFORCED
                if whole
                else s3.ObjectOwnership.BUCKET_OWNER_PREFERRED
            ),
            server_access_logs_bucket=self.access_logs if whole else None,
            server_access_logs_prefix=f"{label.lower()}/" if whole else None,
            removal_policy=self._removal,
        )

    def _inbox(self) -> s3.Bucket:
        """Return the bucket of files, which forgets them a month after they were taken in.

        Its events are turned on here, as CDK would add a function with wide permissions for it.
        """
        bucket = self._bucket("Inbox", s3.BucketEncryption.KMS)
        for folder in ("imported", "refused"):
            bucket.add_lifecycle_rule(prefix=f"{folder}/", expiration=cdk.Duration.days(KEPT_DAYS))
        bucket.add_lifecycle_rule(
            noncurrent_version_expiration=cdk.Duration.days(1),
            expired_object_delete_marker=True,  # listing would become slow
            abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
        )
        resource = bucket.node.default_child
        if not isinstance(resource, s3.CfnBucket):
            raise TypeError("the bucket has no CfnBucket as its default child")
        resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(
                event_bridge_enabled=True
            )
        )
        return bucket

    def _suppress_nags(self) -> None:
        by_hand = "rotated by hand, and the services restarted: docs/how-to/deploy-to-aws.md"
        tokens = (self.relay_token, self.engines_token, self.pseudonyms)
        feed = (self.feed_login, self.feed_keys, self.feed_operator)
        for secret in (*tokens, *feed, self.login, self.loader_login):
            suppress(secret, {"SMG4": by_hand})
        suppress(self.dead_schedules, {"SQS3": "it is the dead-letter queue of the schedules"})
        suppress(self.access_logs, {"S1": "it holds the access logs itself"})
        suppress(
            self.database,
            {
                "SMG4": "the owner logs in for migrations only, by hand",
                "RDS10": "only environments with disposable data are unprotected",
                "RDS11": "the port need not be secret: nothing outside the network can reach it",
            },
        )
